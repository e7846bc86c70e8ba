"""Tessera on POSIX: a main of ours that sets its batching, and the server that Tessera ships.

Both are built once by Go into `~/.cache/gridwarden-tests` (or `GRIDWARDEN_TEST_CACHE`).
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

SHIPPED = "github.com/transparency-dev/tessera/cmd/conformance/posix@v1.0.4"
BUILD_DEADLINE_S = 900
READY_DEADLINE_S = 20
_SOURCES = Path(__file__).parent / "tessera"


class NoTesseraError(Exception):
    """Tessera cannot be built here; says why."""


def binaries() -> tuple[Path, Path]:
    """Return our main and the shipped server, built if need be; NoTesseraError where that is impossible."""
    cache = Path(os.environ.get("GRIDWARDEN_TEST_CACHE") or Path.home() / ".cache" / "gridwarden-tests")
    cache.mkdir(parents=True, exist_ok=True)
    sources = b"".join((_SOURCES / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    ours = cache / f"tessera-{sha256(sources).hexdigest()[:12]}"
    if not ours.exists():
        _go("build", "-mod=readonly", "-o", str(ours), ".", into=cache)
    shipped = cache / "posix"
    if not shipped.exists():
        _go("install", SHIPPED, into=cache)
    return ours, shipped


def _go(*arguments: str, into: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise NoTesseraError("no Go to build Tessera with")
    built = subprocess.run(
        [go, *arguments], env={**os.environ, "GOBIN": str(into), "CGO_ENABLED": "0"}, cwd=_SOURCES,
        capture_output=True, text=True, timeout=BUILD_DEADLINE_S, check=False)
    if built.returncode:
        raise NoTesseraError(f"go {arguments[0]} failed: {built.stderr[-300:]}")


def write_entries(path: Path, entries: Iterable[bytes]) -> None:
    """Write what our main reads."""
    path.write_bytes(b"".join(len(entry).to_bytes(4, "big") + entry for entry in entries))


async def rate_in_process(main: Path, entries: Path, *, in_flight: int, batching: tuple[int, str]) -> float:
    """Return the entries per second through Tessera's own API, with (entries, age) as its batching."""
    with tempfile.TemporaryDirectory() as folder:
        return await _rate(main, "-entries", str(entries), "-dir", folder, "-in-flight", str(in_flight),
                           "-batch-size", str(batching[0]), "-batch-age", batching[1])


async def rate_of_server(main: Path, entries: Path, url: str, *, in_flight: int) -> float:
    """Return the entries per second through POST /add."""
    return await _rate(main, "-entries", str(entries), "-url", f"{url}/add", "-in-flight", str(in_flight))


async def _rate(main: Path, *arguments: str) -> float:
    process = await asyncio.create_subprocess_exec(
        str(main), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    answer, _ = await process.communicate()
    found = json.loads(answer)
    return float(found["entries"] / found["seconds"])


@asynccontextmanager
async def server(main: Path, shipped: Path) -> AsyncIterator[str]:
    """Run the shipped server on an empty log; give its URL once it answers."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        key = Path(folder) / "key"
        await (await asyncio.create_subprocess_exec(str(main), "-new-key", str(key))).wait()
        process = await asyncio.create_subprocess_exec(
            str(shipped), f"--storage_dir={folder}/log", f"--listen={address}", f"--private_key={key}",
            stderr=asyncio.subprocess.DEVNULL)
        try:
            await _answers(f"http://{address}/checkpoint")
            yield f"http://{address}"
        finally:
            process.terminate()
            await process.wait()


async def _answers(url: str) -> None:
    for _ in range(READY_DEADLINE_S * 10):
        if await asyncio.to_thread(_is_there, url):
            return
        await asyncio.sleep(0.1)
    raise NoTesseraError(f"the shipped server did not answer within {READY_DEADLINE_S} s")


def _is_there(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server
            return True
    except (urllib.error.URLError, OSError):
        return False
