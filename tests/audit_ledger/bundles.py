"""Bundles under test: made of a real ledger, judged by both implementations, and rewritten by somebody unfair."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit_ledger.adapters.bundle_file import BundleFile, verifier_source
from audit_ledger.adapters.offline_verifier import verified
from audit_ledger.domain.archive.bundle import NoBundleError
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.service.archive.export import Exporter, Request
from audit_ledger.service.audit.bundle_audit import BundleAuditor
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from tests.audit_ledger.rig import Rig

Members = dict[str, bytes]


def exporter_of(rig: Rig) -> Exporter:
    """Return an exporter of the rig's ledger."""
    stream = rig.signer.name
    return Exporter(rig.reader, Cosignatures(rig.writer_pool, rig.reader_pool, stream),
                    Prunes(rig.reader_pool, stream), rig.signer.verifier)


async def exported(rig: Rig, path: Path, **request: Any) -> Path:
    """Export and return the file."""
    await exporter_of(rig).export(path, Request(**request))
    return path


def policy_of(rig: Rig, folder: Path, *lines: str, quorum: str = "none") -> Path:
    """Write the auditor's policy."""
    path = folder / "policy"
    path.write_text("".join(f"{line}\n" for line in (f"log {rig.signer.verifier}", *lines, f"quorum {quorum}")))
    return path


def offline(bundle: Path, policy: Path, *words: str, python: str = sys.executable) -> tuple[int, dict[str, Any]]:
    """Run the offline verifier as an auditor does: nothing but Python, nothing in the environment."""
    script = policy.with_name("verify.py")
    script.write_text(verifier_source())
    done = subprocess.run(
        [python, "-I", "-S", str(script), str(bundle), "--policy", str(policy), "--json", *words],
        env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    return done.returncode, report


@dataclass(frozen=True, slots=True)
class Judge:
    """Both verdicts on bundles under one policy, which must be the same."""

    rig: Rig
    policy: Path

    def __call__(self, bundle: Path) -> tuple[int, list[str]]:
        """Return the exit code, and the kinds of findings as the offline verifier names them."""
        report = verified(str(bundle), str(self.policy))
        assert report["exit_code"] == self.ours(bundle), (report, bundle)
        return report["exit_code"], sorted({found["kind"] for found in report.get("findings", ())})

    def ours(self, bundle: Path) -> int:
        """Return the exit code of our own code."""
        try:
            with BundleFile(bundle) as opened:
                auditor = BundleAuditor(read_policy(self.policy.read_bytes()), self.rig.clock)
                return int(auditor.verify(opened).verdict)
        except NoBundleError:
            return 5


def members_of(bundle: Path) -> Members:
    """Return every member."""
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(bundle: Path, name: str, change: Callable[[Members], object]) -> Path:
    """Return a copy whose members were changed, with everything a zip needs put right."""
    members = members_of(bundle)
    change(members)
    path = bundle.with_name(name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path
