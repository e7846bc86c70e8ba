"""Which grants are alive, remembered for at most two seconds and not at all once this process revoked something."""

from collections import OrderedDict

from identity.domain.records import GrantState
from identity.store.database import Database

TTL_US = 2_000_000
MAX_KNOWN = 20_000


class GrantStates:
    """A small cache in front of the grants table, shared by authentication and introspection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[int, GrantState]] = OrderedDict()
        self._generation = 0

    async def of(self, grant_id: str, now_us: int) -> GrantState | None:
        """Return the grant's state, None when it is revoked, ended, expired or its person is locked."""
        known = self._known.get(grant_id)
        if known is not None and 0 <= now_us - known[0] < TTL_US:
            return known[1]
        generation = self._generation
        async with self._database.read() as tables:
            state = await tables.grants.state(grant_id, now_us)
        if state is not None and generation == self._generation:
            self._remember(grant_id, now_us, state)
        return state

    def forget(self) -> None:
        """Drop everything, and whatever a running query is about to bring: it may predate the revocation."""
        self._generation += 1
        self._known.clear()

    def _remember(self, grant_id: str, now_us: int, state: GrantState) -> None:
        self._known[grant_id] = (now_us, state)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
