"""A real HashiCorp Vault in dev mode, built once by Go."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac

from tests.servers.built import built, missing
from tests.servers.started import free_port, wait_answering

TOKEN = "root"
BUILD_DEADLINE_S = 1_800

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


@dataclass(frozen=True)
class StoredVault:
    """A Vault whose data outlive it; its root token."""

    address: str
    token: str


@contextmanager
def stored_vault_server(folder: Path, port: int) -> Iterator[StoredVault]:
    """Run a server that keeps its data in a folder, initialised at its first start and unsealed at each."""
    address = f"127.0.0.1:{port}"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    config = folder / "vault.json"
    config.write_text(json.dumps({
        "storage": {"raft": {"path": str(folder / "data"), "node_id": "one"}}, "disable_mlock": True,
        "api_addr": f"http://{address}", "cluster_addr": f"http://127.0.0.1:{free_port()}",
        "listener": {"tcp": {"address": address, "tls_disable": True}}}))
    process = subprocess.Popen([str(vault_binary()), "server", f"-config={config}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_answering(f"http://{address}/v1/sys/health?uninitcode=200&sealedcode=200", process)
        client = hvac.Client(url=f"http://{address}")
        secrets = folder / "root.json"
        if not secrets.exists():
            secrets.write_text(json.dumps(client.sys.initialize(1, 1)))
        root = json.loads(secrets.read_text())
        client.sys.submit_unseal_key(root["keys"][0])
        wait_answering(f"http://{address}/v1/sys/health?standbycode=503", process)
        yield StoredVault(f"http://{address}", root["root_token"])
    finally:
        process.kill()
        process.wait(10)


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
        wait_answering(f"http://{address}/v1/sys/health", process)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(10)
