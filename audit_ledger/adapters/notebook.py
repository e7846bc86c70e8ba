"""Where an interrupted verification writes down how far it came: one file, replaced whole, gone when it is done."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from time import monotonic

import structlog

from audit_ledger.adapters.durable_file import replace_durably
from audit_ledger.domain.errors import UncheckableError
from shared_kernel.errors import UnavailableError

log = structlog.get_logger()
EVERY_S = 2.0


class Notebook:
    """The auditor's own file: whoever can change it can make his report say anything."""

    def __init__(self, path: Path, *, every_s: float = EVERY_S, is_fresh: bool = False) -> None:
        self._path, self._every_s, self._is_fresh = path, every_s, is_fresh
        self._due = monotonic() + every_s

    def read(self) -> bytes | None:
        """Return what was kept; None when no verification was interrupted, or a fresh one is wanted."""
        if self._is_fresh:
            return None
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise UncheckableError(f"{self._path} cannot be read ({cause.strerror})") from cause

    def keep(self, state: Callable[[], bytes]) -> None:
        """Replace what was kept, when that is due again; where nothing can be written, the verification goes on."""
        if monotonic() < self._due:
            return
        try:
            replace_durably(self._path, state())
            self._due = monotonic() + self._every_s
        except UnavailableError as cause:
            log.warning("verification_not_resumable", reason=cause.detail)
            self._due = inf

    def forget(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)
