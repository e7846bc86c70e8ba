"""A whole product of the demo's own: its own home, free ports, its log in a file."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from shared_kernel.errors import GridwardenError

STOP_TIMEOUT_S = 30


class InstanceError(GridwardenError):
    """The instance ended before it was ready."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"the demo's instance did not start: see {log}")


@dataclass(slots=True)
class Instance:
    """`gridwarden up --demo --json` as a child process; the facts it tells are read from its standard output."""

    home: Path
    gateway: str = ""
    console: str = ""
    passwords: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _log: IO[str] | None = None

    @property
    def log(self) -> Path:
        """Where its log lines go."""
        return self.home / "demo.log"

    @property
    def pid(self) -> int:
        """The process that runs the product."""
        if self._process is None:
            raise InstanceError(self.log)
        return self._process.pid

    def command(self, *words: str) -> list[str]:
        """Return the command line of `gridwarden` with these words."""
        return [sys.executable, "-m", "control_plane", *words]

    def environment(self) -> dict[str, str]:
        """Return our environment with this home, and nothing that would lead elsewhere."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GRIDWARDEN_") and k != "DATABASE_URL"}
        return kept | {"GRIDWARDEN_HOME": str(self.home), "NO_COLOR": "1"}

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self._log = self.log.open("a")
        words = ("up", "--demo", "--json", "--gateway-port", "0", "--console-port", "0")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            self.command(*words), stdout=subprocess.PIPE, stderr=self._log, text=True, env=self.environment(),
        )
        self._read_facts(self._process)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to stop; kill it when it does not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self._log is not None:
            self._log.close()

    def _read_facts(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            fact: dict[str, Any] = json.loads(line)
            if fact["fact"] == "account":
                self.passwords[fact["name"]] = fact["password"]
            if fact["fact"] == "ready":
                self.gateway, self.console = fact["gateway"], fact["console"]
                return
        raise InstanceError(self.log)
