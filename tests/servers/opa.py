"""A real OPA server, built once by Go."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.built import built, missing
from tests.servers.started import free_port, wait_answering

MODULE = "github.com/open-policy-agent/opa@v1.22.0"
BUILD_DEADLINE_S = 900


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


@contextmanager
def opa_process(url: str, arguments: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Run `opa` at a URL with nothing loaded, unless arguments load something; give its process once it is healthy."""
    process = subprocess.Popen(
        [str(opa_binary()), "run", "--server", "--addr", url.removeprefix("http://"), "--disable-telemetry",
         "--log-level", "error", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        wait_answering(f"{url}/health", process)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


@contextmanager
def opa_server(port: int | None = None, *, arguments: tuple[str, ...] = ()) -> Iterator[str]:
    """Run `opa` for as long as a test asks it; give its URL."""
    url = f"http://127.0.0.1:{port or free_port()}"
    with opa_process(url, arguments):
        yield url
