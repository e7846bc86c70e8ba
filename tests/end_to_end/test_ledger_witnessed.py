"""A running product and a witness beside it, set up as docs/ledger.md says, end in the mode `witnessed`."""

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit_ledger.adapters.ledger_folder import LedgerFolder
from control_plane.demo.instance import Instance
from control_plane.home import Home
from tests.end_to_end.configured import configured, until
from tests.page_commands import commands


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def witness(instance: Instance, home: Path, port: int, log: str) -> Iterator[None]:
    """Run `gridwarden ledger witness serve` until it says where it listens, and for as long as the block lasts."""
    words = ("ledger", "witness", "serve", "--home", str(home), "--port", str(port), "--log", log)
    with subprocess.Popen(instance.command(*words), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"at http://127.0.0.1:{port}" in process.stdout.readline()
            yield
        finally:
            process.terminate()


@pytest.mark.slow
async def test_a_witness_s_word_reaches_the_auditor_s_verdict(tmp_path: Path) -> None:
    home, port = Home(tmp_path / "product" / "home"), free_port()
    log = LedgerFolder(keys=home.keys, checkpoints=home.checkpoints).signer().verifier
    known = {"GRIDWARDEN_HOME": str(home.root), "WITNESS": str(tmp_path / "w1"),
             "WITNESS_URL": f"http://127.0.0.1:{port}"}
    write_policy, verify = commands("ledger", "Witnesses")
    written = await asyncio.to_thread(write_policy.run, tmp_path, **known)

    async def is_witnessed() -> bool:
        command = instance.command("ledger", "verify", "--json", "--policy", str(tmp_path / "policy"))
        done = await asyncio.to_thread(subprocess.run, command, env=instance.environment(), capture_output=True,
                                       text=True, check=False)
        return bool(json.loads(done.stdout)["mode"] == "witnessed")

    with (witness(Instance(home.root), tmp_path / "w1", port, str(log)),
          configured(home.root, GRIDWARDEN_LEDGER_WITNESSES=str(tmp_path / "policy")) as instance):
        seen = await until(is_witnessed)
        code, last = await asyncio.to_thread(verify.run, tmp_path, **known)

    assert written == write_policy.promise
    assert seen
    assert (code, verify.promise[1] in last) == (0, True), last
