"""Other OpenID providers on this machine: npm oidc-provider in memory, Keycloak in development mode.

Both are fetched once into `~/.cache/gridwarden-tests` (or `GRIDWARDEN_TEST_CACHE`) by npm and Maven.
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
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil

KEYCLOAK = "26.4.0"
CLIENT, SECRET = "bench", "not-a-secret-but-long-enough-for-a-benchmark"
FETCH_DEADLINE_S, READY_DEADLINE_S = 600, 120
_SOURCES = Path(__file__).parent / "oidc_provider"


class NoPeerError(Exception):
    """A peer cannot be had here; says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A provider that runs: where it takes requests, and whose CPU time they cost."""

    token_url: str
    introspection_url: str
    pid: int


@asynccontextmanager
async def oidc_provider(*, access_tokens: str) -> AsyncIterator[Peer]:
    """Run npm oidc-provider; `access_tokens` are `jwt`, or `opaque` (it introspects no others)."""
    folder = await asyncio.to_thread(_installed_oidc_provider)
    port = _free_port()
    command = ("node", str(folder / "server.mjs"), str(port), SECRET, access_tokens)
    async with _running(command, f"http://127.0.0.1:{port}/.well-known/openid-configuration") as pid:
        yield Peer(f"http://127.0.0.1:{port}/token", f"http://127.0.0.1:{port}/token/introspection", pid)


@asynccontextmanager
async def keycloak() -> AsyncIterator[Peer]:
    """Run Keycloak with one realm whose client signs ES256."""
    distribution = await asyncio.to_thread(_unpacked_keycloak)
    port, health = _free_port(), _free_port()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "keycloak"
        await asyncio.to_thread(shutil.copytree, distribution, home)
        (home / "data" / "import").mkdir(parents=True)
        (home / "data" / "import" / "bench.json").write_text(json.dumps(_REALM))
        command = ("bash", str(home / "bin" / "kc.sh"), "start-dev", "--http-host=127.0.0.1", f"--http-port={port}",
                   f"--http-management-port={health}", "--import-realm")
        base = f"http://127.0.0.1:{port}/realms/bench"
        async with _running(command, f"{base}/.well-known/openid-configuration") as pid:
            java = next((child.pid for child in psutil.Process(pid).children(recursive=True)
                         if child.name() == "java"), pid)
            endpoint = f"{base}/protocol/openid-connect/token"
            yield Peer(endpoint, f"{endpoint}/introspect", java)


_REALM = {
    "realm": "bench", "enabled": True, "defaultSignatureAlgorithm": "ES256", "sslRequired": "none",
    "components": {"org.keycloak.keys.KeyProvider": [{
        "name": "ecdsa", "providerId": "ecdsa-generated",
        "config": {"ecdsaEllipticCurveKey": ["P-256"], "priority": ["100"], "enabled": ["true"], "active": ["true"]},
    }]},
    "clientScopes": [{"name": "bench", "protocol": "openid-connect"}],
    "clients": [{
        "clientId": CLIENT, "secret": SECRET, "enabled": True, "publicClient": False, "serviceAccountsEnabled": True,
        "standardFlowEnabled": False, "optionalClientScopes": ["bench"],
        "attributes": {"access.token.signed.response.alg": "ES256"},
    }],
}


def _cache() -> Path:
    cache = Path(os.environ.get("GRIDWARDEN_TEST_CACHE") or Path.home() / ".cache" / "gridwarden-tests")
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _installed_oidc_provider() -> Path:
    sources = {name: (_SOURCES / name).read_bytes() for name in ("package.json", "package-lock.json", "server.mjs")}
    folder = _cache() / f"oidc-provider-{sha256(b''.join(sources.values())).hexdigest()[:12]}"
    return _made(folder, lambda made: _install(made, sources))


def _install(folder: Path, sources: dict[str, bytes]) -> None:
    for name, content in sources.items():
        (folder / name).write_bytes(content)
    _fetch("npm", "ci", "--no-audit", "--no-fund", cwd=folder)


def _unpacked_keycloak() -> Path:
    return _made(_cache() / f"keycloak-{KEYCLOAK}", _unpack_keycloak) / f"keycloak-{KEYCLOAK}"


def _unpack_keycloak(folder: Path) -> None:
    _fetch("mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy",
           f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:zip", f"-DoutputDirectory={folder}", cwd=folder)
    archive = next(folder.glob("*.zip"))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()


def _made(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; it is there whole or not at all."""
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            fresh = Path(work) / "fresh"
            fresh.mkdir()
            make(fresh)
            fresh.rename(folder)
    return folder


def _fetch(tool: str, *arguments: str, cwd: Path) -> None:
    program = shutil.which(tool)
    if program is None:
        raise NoPeerError(f"no {tool} to fetch it with")
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=FETCH_DEADLINE_S,
                          check=False)
    if done.returncode:
        raise NoPeerError(f"{tool} failed: {(done.stdout + done.stderr)[-300:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _running(command: tuple[str, ...], ready_url: str) -> AsyncIterator[int]:
    if shutil.which(command[0]) is None:
        raise NoPeerError(f"no {command[0]} to run it with")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True)
    try:
        async with asyncio.timeout(READY_DEADLINE_S):
            while not await asyncio.to_thread(_answers, ready_url):
                if process.returncode is not None:
                    raise NoPeerError(f"{command[1]} ended with {process.returncode}")
                await asyncio.sleep(0.3)
        yield process.pid
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            member.kill()
        await process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own URL on loopback
            return True
    except (OSError, urllib.error.HTTPError):
        return False
