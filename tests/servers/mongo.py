"""A server that speaks the MongoDB wire protocol: the mongod of MONGODB_HOST, or SecantusDB, started here."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.built import missing
from tests.servers.started import free_port

READY_DEADLINE_S = 30


@dataclass(slots=True)
class MongoServer:
    """Where it listens; `folder` is None when the server is not ours to stop."""

    host: str
    port: int
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again on what it stored."""
        binary = _binary()
        with Path(f"{self.folder}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary, "--host", self.host, "--port", str(self.port), "--storage-path", str(self.folder)],
                stdout=log, stderr=log)
        _wait(self)

    def stop(self) -> None:
        """Stop it; what it acknowledged stays."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None


@contextmanager
def mongo_server(folder: Path) -> Iterator[MongoServer]:
    """Give a server that answers."""
    if host := os.environ.get("MONGODB_HOST"):
        yield MongoServer(host, int(os.environ.get("MONGODB_PORT", "27017")))
        return
    server = MongoServer("127.0.0.1", free_port(), folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _binary() -> str:
    beside = Path(sys.executable).with_name("secantusd-py")
    found = str(beside) if beside.exists() else shutil.which("secantusd-py")
    if found is None:
        missing("no MongoDB: set MONGODB_HOST, or install SecantusDB (`make test` does)")
    return found


def _wait(server: MongoServer) -> None:
    until = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < until:
        if server.process is not None and server.process.poll() is not None:
            pytest.fail(f"SecantusDB ended with {server.process.returncode}")
        try:
            with socket.create_connection((server.host, server.port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("SecantusDB does not listen")
