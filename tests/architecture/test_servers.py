"""A server that tests need and cannot get: CI fails, a laptop skips and says why."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.consul import consul_binary
from tests.servers.envoy import envoy_command
from tests.servers.mongo import mongo_server
from tests.servers.opa import opa_binary
from tests.servers.redis import redis_server
from tests.servers.timestamp_authority import timestamp_authority
from tests.servers.transparency import tessera_log
from tests.servers.vault import vault_binary

NEEDED: dict[str, Callable[[Path], Any]] = {
    "OPA": lambda _: opa_binary(),
    "Envoy": lambda _: envoy_command(),
    "Vault": lambda _: vault_binary(),
    "Consul": lambda _: consul_binary(),
    "Tessera": lambda folder: tessera_log(folder, "secret", "policy").__enter__(),
    "MongoDB": lambda folder: mongo_server(folder).__enter__(),
    "Redis": lambda _: redis_server().__enter__(),
    "OpenSSL": lambda folder: timestamp_authority(folder).__enter__(),
}


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_server_fails_in_ci_and_skips_elsewhere(
    name: str, ci: str, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GRIDWARDEN_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.delenv("MONGODB_HOST", raising=False)

    with pytest.raises(outcome, match=name):
        NEEDED[name](tmp_path)
