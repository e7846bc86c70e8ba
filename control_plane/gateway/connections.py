"""Who is connected: how many at once, and how many from one address, so that a crowd that says nothing starves nobody.

When the room is full, the connection that has waited longest without a request makes way: slow heads and idle
keep-alives go before a newcomer is turned away. Only where every connection is being answered is one refused: 429 when
its own address holds too many, 503 when all do. IPv6 addresses count by their /64, which is one subscriber.
"""

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache

from control_plane.gateway import metrics
from control_plane.gateway.peers import Network, Proxies, address_of

TOTAL, PER_ADDRESS = 2048, 256
_REMEMBERED = 4096


class Seat:
    """One connection's place; `give_up` closes it and may be called only while it is idle."""

    __slots__ = ("_connections", "give_up", "key")

    def __init__(self, connections: "Connections", key: str | None, give_up: Callable[[], object]) -> None:
        self._connections, self.key, self.give_up = connections, key, give_up

    def busy(self) -> None:
        """Tell that a request is being answered."""
        self._connections.set_busy(self)

    def idle(self) -> None:
        """Tell that nothing is asked at the moment."""
        self._connections.set_idle(self)

    def leave(self) -> None:
        """Free the place; may be told twice."""
        self._connections.remove(self)


class _Room:
    """The seats of everybody, or of one address; the idle ones in the order in which they became so."""

    __slots__ = ("idle", "seats")

    def __init__(self) -> None:
        self.seats: dict[Seat, None] = {}
        self.idle: dict[Seat, None] = {}


class Connections:
    """All connections of the process. An address of a trusted proxy is a crowd by itself: only the total binds it."""

    def __init__(self, *, total: int = TOTAL, per_address: int = PER_ADDRESS, proxies: Sequence[Network] = ()) -> None:
        self._total, self._per_address = total, per_address
        self._proxies = Proxies(proxies)
        self._all = _Room()
        self._rooms: dict[str, _Room] = {}

    def __len__(self) -> int:
        return len(self._all.seats)

    def admit(self, peer: str, give_up: Callable[[], object]) -> Seat | int:
        """Return a seat, or the status that says why there is none."""
        key = None if self._proxies.are_trusted(address_of(peer)) else subscriber_of(peer)
        own = self._rooms.get(key) if key is not None else None
        if own is not None and len(own.seats) >= self._per_address and not self._made_way(own):
            return 429
        if len(self._all.seats) >= self._total and not self._made_way(self._all):
            return 503
        seat = Seat(self, key, give_up)
        for room in self._rooms_of(seat):
            room.seats[seat] = room.idle[seat] = None
        metrics.CONNECTIONS.set(len(self._all.seats))
        return seat

    def set_busy(self, seat: Seat) -> None:
        """Keep a seat from being taken away."""
        for room in self._rooms_of(seat):
            room.idle.pop(seat, None)

    def set_idle(self, seat: Seat) -> None:
        """Put a seat at the end of those that may be taken away."""
        if seat in self._all.seats:
            for room in self._rooms_of(seat):
                room.idle[seat] = None

    def remove(self, seat: Seat) -> None:
        """Forget a seat, and its address with the last."""
        if seat not in self._all.seats:
            return
        for room in self._rooms_of(seat):
            room.seats.pop(seat, None)
            room.idle.pop(seat, None)
        if seat.key is not None and not self._rooms[seat.key].seats:
            del self._rooms[seat.key]
        metrics.CONNECTIONS.set(len(self._all.seats))

    def _rooms_of(self, seat: Seat) -> tuple[_Room, ...]:
        if seat.key is None:
            return (self._all,)
        return (self._all, self._rooms.setdefault(seat.key, _Room()))

    def _made_way(self, room: _Room) -> bool:
        longest = next(iter(room.idle), None)
        if longest is None:
            return False
        self.remove(longest)
        metrics.REFUSED.labels("crowded-out").inc()
        longest.give_up()
        return True


@lru_cache(maxsize=_REMEMBERED)
def subscriber_of(peer: str) -> str:
    """Return what stands for whoever owns an address: an IPv4 address, the /64 of an IPv6 one."""
    address = address_of(peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
