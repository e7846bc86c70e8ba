"""The offline verifier is fast enough for years of entries, and its memory does not grow with them."""

import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from audit_ledger.adapters.bundle_file import BundleWriter
from audit_ledger.domain.archive.bundle import CHUNK, Manifest, Record
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.entry import GENESIS, leaf_data_of
from audit_ledger.domain.merkle import Frontier
from shared_kernel.events import security_event
from tests.audit_ledger.bundles import offline
from tests.frozen_clock import FrozenClock

SIGNER = NoteSigner("gridwarden/speed", bytes(range(32)))
ENTRIES = 40 * 1_024


def written(path: Path, clock: FrozenClock) -> None:
    """Write a bundle of decisions as the gateway seals them."""
    leaf_data, previous, tree = leaf_data_of(SIGNER.name), GENESIS, Frontier()
    with BundleWriter(path) as bundle:
        for first in range(0, ENTRIES, CHUNK):
            with bundle.chunk(first) as chunk:
                for seq in range(first, first + CHUNK):
                    payload = payload_of(security_event(
                        clock, "access_decision", category="web", types=("access", "allowed"),
                        user={"id": f"user-{seq % 7}"}, http={"request": {"id": f"request-{seq}"}},
                        grid={"resource": {"dataset": "grid.meter_readings", "path": "/api/v1/readings"}}))
                    leaf = leaf_data(previous, seq, clock.now_us(), payload)
                    chunk.write(Record(leaf, payload).to_bytes())
                    previous = sha256(b"\0" + leaf).digest()
                    tree.extend([previous])
        bundle.add_note(ENTRIES, Checkpoint(SIGNER.name, ENTRIES, tree.root).signed_by(SIGNER))
        bundle.add_manifest(Manifest(SIGNER.name, 0, ENTRIES, previous, (), (), (), (ENTRIES,), ()))


@pytest.mark.slow
def test_twenty_thousand_entries_a_second_in_little_memory(tmp_path: Path, clock: FrozenClock) -> None:
    bundle, policy = tmp_path / "speed.zip", tmp_path / "policy"
    written(bundle, clock)
    policy.write_text(f"log {SIGNER.verifier}\nquorum none\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    code, report = offline(bundle, policy)

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (code, report["until"]) == (0, ENTRIES)
    assert ENTRIES / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) > 20_000
    assert bundle.stat().st_size < 120 * ENTRIES
    assert _fits(32 << 20, bundle, policy)


def _fits(limit: int, bundle: Path, policy: Path) -> bool:
    """Tell whether the verifier gets by with so many bytes of data, all of Python included."""
    command = [sys.executable, "-I", "-S", str(policy.with_name("verify.py")), str(bundle), "--policy", str(policy)]
    within = (f"import os, resource; resource.setrlimit(resource.RLIMIT_DATA, ({limit},) * 2); "
              f"os.execv({command[0]!r}, {command!r})")
    return subprocess.run([sys.executable, "-c", within], check=False, capture_output=True).returncode == 0
