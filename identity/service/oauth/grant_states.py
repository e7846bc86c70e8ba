"""Which grants are alive, remembered for at most two seconds and not at all once this process revoked something."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from identity.domain.records import GrantState
from identity.service.coalescing import Coalescing
from identity.store.database import Database, Tables

TTL_US = 2_000_000
MAX_KNOWN = 20_000
MAX_PARENTS = 5


class GrantStates:
    """A small cache in front of the grants table, shared by authentication and introspection.

    One state stays one object while nothing about it changes. `epoch` moves on whenever everything is forgotten: who
    remembers something derived from states keeps it beside.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[int, GrantState]] = OrderedDict()
        self._exchanged: set[str] = set()
        self._loading: Coalescing[str, GrantState] = Coalescing(self._ask)
        self._now_us = 0
        self._revocations = 0
        self.epoch = 0

    async def of(self, grant_id: str, now_us: int) -> GrantState | None:
        """Return the grant's state, None when it is revoked, ended, expired or its person is locked."""
        known = self._known.get(grant_id)
        if known is not None and 0 <= now_us - known[0] < TTL_US:
            return known[1]
        before = self._revocations
        state = await self._load(grant_id, now_us)
        if known is not None and known[1] == state:
            state = known[1]
        if state is not None and before == self._revocations:
            self._remember(grant_id, now_us, state)
        return state

    async def _load(self, grant_id: str, now_us: int) -> GrantState | None:
        self._now_us = max(self._now_us, now_us)
        state = await self._loading.of(grant_id)
        if state is None or state.parent_id is None:
            return state
        async with self._database.read() as tables:
            return await live_state(tables, grant_id, now_us)

    async def _ask(self, grant_ids: Sequence[str]) -> Mapping[str, GrantState]:
        async with self._database.read() as tables:
            return await tables.grants.states(grant_ids, self._now_us)

    def forget(self) -> None:
        """Drop everything, and whatever a running query is about to bring: it may predate the revocation."""
        self._revocations += 1
        self.epoch += 1
        self._known.clear()
        self._exchanged.clear()

    def forget_grant(self, grant_id: str) -> None:
        """Drop one grant, and every exchanged one: they may hang below it."""
        self._revocations += 1
        self._known.pop(grant_id, None)
        for child in self._exchanged:
            self._known.pop(child, None)
        self._exchanged.clear()

    def _remember(self, grant_id: str, now_us: int, state: GrantState) -> None:
        self._known[grant_id] = (now_us, state)
        if state.parent_id is not None:
            self._exchanged.add(grant_id)
        if len(self._known) > MAX_KNOWN:
            self._exchanged.discard(self._known.popitem(last=False)[0])


async def live_state(tables: Tables, grant_id: str, now_us: int) -> GrantState | None:
    """Return the state of a grant all of whose ancestors live too; only an exchanged token has ancestors."""
    own = await tables.grants.state(grant_id, now_us)
    if own is None or own.parent_id is None:
        return own
    chain = [own]
    while (parent_id := chain[-1].parent_id) is not None:
        parent = await tables.grants.state(parent_id, now_us)
        if parent is None or len(chain) > MAX_PARENTS:
            return None
        chain.append(parent)
    state = chain.pop()
    for child in reversed(chain):
        state = replace(child, parent=state)
    return state


def depth(state: GrantState) -> int:
    """Return how many exchanges lie between a grant and its root."""
    found, parent = 0, state.parent
    while parent is not None:
        found, parent = found + 1, parent.parent
    return found
