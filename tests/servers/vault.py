"""A real HashiCorp Vault in dev mode, built once by Go."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.built import built, missing
from tests.servers.opa import free_port

TOKEN = "root"
BUILD_DEADLINE_S = 1_800
READY_DEADLINE_S = 30

GO_MOD = """module vaultserver

go 1.25

require github.com/hashicorp/vault v1.21.0

replace github.com/hashicorp/vault/sdk => github.com/hashicorp/vault/sdk v0.20.0
"""

MAIN = """package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
"""


def vault_binary() -> Path:
    """Return the path of `vault`, building it if need be."""
    return built("vault", _build)


def _build(cache: Path) -> None:
    go = shutil.which("go")
    if go is None:
        missing(f"no Go to build Vault with: install Go, or put a vault binary into {cache}")
    source = cache / "vault-source"
    source.mkdir(exist_ok=True)
    (source / "go.mod").write_text(GO_MOD)
    (source / "main.go").write_text(MAIN)
    fresh = cache / "vault.new"
    command = [go, "build", "-tags", "minimal", "-mod=mod", "-ldflags=-s -w", "-o", str(fresh), "."]
    done = subprocess.run(command, cwd=source, env={**os.environ, "CGO_ENABLED": "0"},
                           capture_output=True, text=True, timeout=BUILD_DEADLINE_S, check=False)
    if done.returncode:
        missing(f"Vault was not built: {done.stderr[-500:]}")
    fresh.replace(cache / "vault")



@contextmanager
def vault_server(port: int | None = None) -> Iterator[str]:
    """Run a dev server, unsealed, in memory; give its address. Its token is TOKEN."""
    address = f"127.0.0.1:{port or free_port()}"
    process = subprocess.Popen(
        [str(vault_binary()), "server", "-dev", "-dev-no-store-token", f"-dev-listen-address={address}",
         f"-dev-root-token-id={TOKEN}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://{address}", process)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"vault ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/v1/sys/health", timeout=1):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail("vault did not become healthy")
