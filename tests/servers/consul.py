"""A real HashiCorp Consul in dev mode, built once by Go (BUSL: for tests alone)."""

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.built import built, missing
from tests.servers.started import READY_DEADLINE_S, free_port, wait_answering

VERSION = "v1.20.6"
"""The newest whose every module is in Go's checksum database: of 1.21 and 1.22 some parts are not."""
BUILD_DEADLINE_S = 1_200

GO_MOD = f"""module consulserver

go 1.25.0

require github.com/hashicorp/consul {VERSION}

exclude (
	github.com/hashicorp/go-msgpack v1.1.5
	github.com/hashicorp/go-msgpack v1.1.6
)
"""

MAIN = """package main

import (
	"fmt"
	"os"

	mcli "github.com/mitchellh/cli"

	"github.com/hashicorp/consul/command"
	"github.com/hashicorp/consul/command/cli"
)

func main() {
	ui := &cli.BasicUI{BasicUi: mcli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}}
	program := &mcli.CLI{Args: os.Args[1:], Commands: command.RegisteredCommands(ui), Name: "consul"}
	code, err := program.Run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}
"""


def consul_binary() -> Path:
    """Return the path of `consul`, building it if need be."""
    return built("consul", _build)


def _build(cache: Path) -> None:
    go = shutil.which("go")
    if go is None:
        missing(f"no Go to build Consul with: install Go, or put a consul binary into {cache}")
    source = cache / "consul-source"
    source.mkdir(exist_ok=True)
    (source / "go.mod").write_text(GO_MOD)
    (source / "main.go").write_text(MAIN)
    # One part is not in Go's checksum database; its checksum stands in the go.sum of Consul's own, verified zip.
    folder = _go(source, go, "mod", "download", "-json", f"github.com/hashicorp/consul@{VERSION}").split('"Dir": "')[1]
    (source / "go.sum").write_bytes((Path(folder.split('"')[0]) / "go.sum").read_bytes())
    fresh = cache / "consul.new"
    _go(source, go, "build", "-mod=mod", "-ldflags=-s -w", "-o", str(fresh), ".")
    fresh.replace(cache / "consul")


def _go(source: Path, go: str, *arguments: str) -> str:
    done = subprocess.run([go, *arguments], cwd=source, env={**os.environ, "CGO_ENABLED": "0"},
                          capture_output=True, text=True, timeout=BUILD_DEADLINE_S, check=False)
    if done.returncode:
        missing(f"Consul was not built: {done.stderr[-500:]}")
    return done.stdout


@contextmanager
def consul_server(port: int | None = None) -> Iterator[str]:
    """Run a dev agent, in memory; give its address once it has a leader."""
    port = port or free_port()
    lan, server, grpc = free_port(), free_port(), free_port()
    process = subprocess.Popen(
        [str(consul_binary()), "agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", f"-http-port={port}",
         "-dns-port=-1", f"-grpc-port={grpc}", "-grpc-tls-port=-1", f"-serf-lan-port={lan}", "-serf-wan-port=-1",
         f"-server-port={server}", "-disable-host-node-id", "-log-level=err"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_answering(f"{address}/v1/status/leader", process)
        _wait_leader(address)
        yield address
    finally:
        process.kill()
        process.wait(10)


def _wait_leader(address: str) -> None:
    until = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{address}/v1/catalog/nodes", timeout=2) as answer:  # noqa: S310 - our own server
            if answer.read() != b"[]":
                return
        time.sleep(0.05)
    pytest.fail("Consul has no leader")
