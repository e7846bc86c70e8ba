"""Who knocks, and how unusual that is: the device, the place and the risk of a login whose password is right."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from identity.adapters.places import Places
from identity.domain.naming import network_of
from identity.domain.opaque import Kind, read
from identity.domain.people.assurance import PASSWORD, meets
from identity.domain.people.factors import Device, Standing
from identity.domain.people.login_policy import DEVICE_LIFETIME_US, UNKNOWN_RISK, Assessment
from identity.domain.people.travel import Place, is_impossible
from identity.domain.records import User
from identity.service.people.outcomes import Visit
from identity.store.database import Tables
from shared_kernel.context import RequestContext

LoginRisk = Callable[[str, str, str], Awaitable[int]]
"""(user_id, source_ip, user_agent) -> 0..100."""

_log = structlog.get_logger()
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the tables say of a person at the door; for a name nobody has, the same questions with no answers."""

    user: User | None
    device: Device | None
    last: Device | None
    standing: Standing
    place: Place | None
    addresses: tuple[str, ...] = ()

    def bucket(self, context: RequestContext) -> str:
        """Return by what failed tries are counted: a known device for itself, everything else by its network."""
        return f"device:{self.device.id}" if self.device else network_of(context.source_ip)

    @property
    def is_new_device(self) -> bool:
        """Whether the person has logged in elsewhere and never here."""
        return self.device is None and self.last is not None

    def is_where_it_was(self, context: RequestContext) -> bool:
        """Whether the person has logged in from the same network."""
        return network_of(context.source_ip) in {network_of(address) for address in self.addresses}

    def is_impossible(self, now_us: int) -> bool:
        """Whether the person cannot have come here since the last login."""
        return self.last is not None and is_impossible(_place(self.last), self.last.seen_at_us, self.place, now_us)

    def assessment(self, model_risk: int, wanted: Sequence[str], now_us: int) -> Assessment:
        """Return what the policy looks at."""
        return Assessment(
            model_risk=model_risk, is_known_device=self.device is not None, is_first=self.last is None,
            is_impossible_travel=self.is_impossible(now_us), has_factor=self.standing.is_any,
            is_more_wanted=not meets(PASSWORD, wanted))


class Arrivals:
    """Recognises people and scores their coming."""

    def __init__(self, places: Places, risk: LoginRisk | None) -> None:
        self._places = places
        self._risk = risk

    async def recognise(self, tables: Tables, user: User | None, visit: Visit, *, context: RequestContext,
                        now_us: int) -> Arrival:
        """Return what is known; an unknown person costs the same statements."""
        user_id = user.id if user else _NOBODY
        cookie = read(visit.device, Kind.BROWSER) if visit.device else None
        device = await tables.devices.known(cookie, user_id, now_us - DEVICE_LIFETIME_US) if cookie else None
        return Arrival(user, device, await tables.devices.last(user_id), await tables.factors.standing(user_id),
                       self._places.find(context.source_ip),
                       await tables.devices.addresses(user_id, now_us - DEVICE_LIFETIME_US))

    async def model_risk(self, user: User | None, context: RequestContext) -> int:
        """Return the model's score; a model that fails, or answers nonsense, is no consent and no refusal."""
        if user is None or self._risk is None:
            return 0
        try:
            found = await self._risk(user.id, context.source_ip, context.user_agent)
        except Exception as error:  # noqa: BLE001 - whatever the model raises, its silence is no consent
            _log.warning("login_risk_unknown", error=type(error).__name__, request_id=context.request_id)
            return UNKNOWN_RISK
        return found if type(found) is int and 0 <= found <= 100 else UNKNOWN_RISK  # noqa: PLR2004 - a percentage


def _place(device: Device) -> Place | None:
    return Place(**device.place) if device.place else None
