"""What exactly one process of all on a database does: started with the lead of the ledger, ended with it.

A duty seals only within the lead it was started in. A process that was paused and wakes has lost the lead, its duties
end as soon as it learns that, and until then the database refuses what they would repeat: detection moves by compare
and swap, playbooks and deliveries by leases, entries by the lead itself.
"""

from collections.abc import Callable, Iterable

import structlog

from audit_ledger.service import Ledger
from control_plane.supervision import Supervisor, Work

_log = structlog.get_logger()
Named = tuple[str, Work]


class Duties:
    """Follows the lead; `supervisor` keeps what runs meanwhile, and readiness names what fails."""

    def __init__(self, ledger: Ledger, work: Callable[[], Iterable[Named]]) -> None:
        self._ledger, self._work = ledger, work
        self.supervisor = Supervisor()

    async def run(self) -> None:
        """Take up and lay down the duties until cancelled."""
        while True:
            await self._ledger.wait_leading()
            try:
                with self._ledger.membership.as_leader():
                    for name, work in self._work():
                        self.supervisor.start(name, work)
                _log.info("duties_taken_up")
                await self._ledger.membership.wait_lost()
            finally:
                await self.supervisor.stop()
                _log.info("duties_laid_down")
