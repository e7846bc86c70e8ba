"""A bundle: made from a ledger, the same bytes each time, good under two verifiers that share no code."""

from pathlib import Path

import pytest

from tests.audit_ledger.bundles import Judge, exported, members_of, offline, policy_of
from tests.audit_ledger.rig import Rig, filled


async def test_a_whole_ledger_is_good_under_both_verifiers(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, policy = await exported(rig, tmp_path / "all.zip"), policy_of(rig, tmp_path)

    code, report = offline(bundle, policy)

    assert (code, report["findings"], report["mode"], report["holds_to"]) == (0, [], "anchored", 20)
    assert (report["from"], report["until"], report["others_hold"]) == (0, 20, True)
    assert Judge(rig, policy)(bundle) == (0, [])
