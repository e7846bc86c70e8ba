"""The tables of soar_playbooks, by what is done with them."""

from dataclasses import dataclass

import asyncpg

from shared_kernel.ids import uuid7
from soar_playbooks.store.approvals import ApprovalStore
from soar_playbooks.store.journal import JournalStore
from soar_playbooks.store.runs import RunStore
from soar_playbooks.store.switches import SwitchStore


@dataclass(frozen=True, slots=True)
class PlaybookStore:
    """Every table of the house behind one name."""

    runs: RunStore
    journal: JournalStore
    approvals: ApprovalStore
    switches: SwitchStore

    @classmethod
    def on(cls, pool: asyncpg.Pool) -> "PlaybookStore":
        """Return the stores on a pool, with a lease owner of their own."""
        return cls(RunStore(pool), JournalStore(pool, uuid7()), ApprovalStore(pool), SwitchStore(pool))
