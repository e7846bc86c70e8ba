"""A real OPA server, built once by Go."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.built import built, missing

MODULE = "github.com/open-policy-agent/opa@v1.22.0"
BUILD_DEADLINE_S = 900
READY_DEADLINE_S = 20


def opa_binary() -> Path:
    """Return the path of `opa`, building it if need be."""
    return built("opa", _build)


def _build(cache: Path) -> None:
    go = shutil.which("go")
    if go is None:
        missing(f"no Go to build OPA with: install Go, or put an opa binary into {cache}")
    done = subprocess.run(
        [go, "install", MODULE], env={**os.environ, "GOBIN": str(cache), "CGO_ENABLED": "0"},
        capture_output=True, text=True, timeout=BUILD_DEADLINE_S, check=False,
    )
    if done.returncode:
        missing(f"go install {MODULE} failed: {done.stderr[-500:]}")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def opa_server(port: int | None = None) -> Iterator[str]:
    """Run `opa` with nothing loaded; give its URL once it is healthy."""
    url = f"http://127.0.0.1:{port or free_port()}"
    process = subprocess.Popen(
        [str(opa_binary()), "run", "--server", "--addr", url.removeprefix("http://"), "--disable-telemetry",
         "--log-level", "error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"opa ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail("opa did not become healthy")
