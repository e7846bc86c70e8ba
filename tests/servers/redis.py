"""Debian's Redis, in memory only."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.built import missing
from tests.servers.started import READY_DEADLINE_S, free_port


@contextmanager
def redis_server(port: int | None = None) -> Iterator[str]:
    """Run Redis; give its URL once it listens."""
    program = shutil.which("redis-server")
    if program is None:
        missing("no Redis: install redis-server")
    port = port or free_port()
    process = subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"],  # noqa: S108 - nothing is written
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_listening(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait(10)


def _wait_listening(port: int) -> None:
    until = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    missing("Redis does not listen")
