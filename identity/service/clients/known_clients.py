"""Clients as they were at most two seconds ago: what every request to a protocol endpoint begins with.

This process forgets at once when it changes a client (`GrantStates.forget` moves the epoch), the others within the two
seconds. An unknown client is asked for again every time, so that a new one is known at once.
"""

from collections import OrderedDict

from identity.domain.records import Client
from identity.service.oauth.grant_states import TTL_US, GrantStates
from identity.store.database import Database
from shared_kernel.clock import Clock

MAX_KNOWN = 5_000


class KnownClients:
    """A small cache in front of the clients table. One client stays one object while nothing about it changes."""

    def __init__(self, database: Database, states: GrantStates, clock: Clock) -> None:
        self._database = database
        self._states = states
        self._clock = clock
        self._known: OrderedDict[str, tuple[int, int, Client]] = OrderedDict()

    async def get(self, client_id: str) -> Client | None:
        """Return the client of that id."""
        now_us, epoch = self._clock.now_us(), self._states.epoch
        known = self._known.get(client_id)
        if known is not None and known[0] == epoch and 0 <= now_us - known[1] < TTL_US:
            return known[2]
        async with self._database.read() as tables:
            client = await tables.clients.get(client_id)
        if client is None:
            self._known.pop(client_id, None)
            return None
        if known is not None and known[2] == client:
            client = known[2]
        self._remember(client_id, (epoch, now_us, client))
        return client

    def _remember(self, client_id: str, known: tuple[int, int, Client]) -> None:
        self._known[client_id] = known
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
