"""Every attack of the table, in every trust mode; and the page for auditors that shows the table."""

from pathlib import Path
from typing import Any

import pytest

from audit_ledger.domain.audit.finding import Report, Verdict
from audit_ledger.domain.errors import UncheckableError
from tests.audit_ledger.attacks import ATTACKS, Attack, Found
from tests.audit_ledger.documentation import attack_rows
from tests.audit_ledger.rig import Rig, filled, kinds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"


async def findings(rig: Rig, *, outside: bool, **options: Any) -> tuple[Found, Report | None]:
    try:
        report = await rig.verify(outside=outside, **options)
    except UncheckableError:
        return (("cannot_check", 0, 0),), None
    return tuple(sorted(kinds(report), key=lambda each: each[1:])), report


@pytest.mark.parametrize("attack", ATTACKS, ids=[each.name for each in ATTACKS])
async def test_an_attack_is_caught_by_its_check_and_the_report_says_so(rig: Rig, attack: Attack) -> None:
    await filled(rig)
    await attack.plant(rig)

    anchored, report = await findings(rig, outside=True)
    alone, unanchored = await findings(rig, outside=False)

    with_receipts, _ = await findings(rig, outside=False, receipts=rig.receipts)

    assert set(anchored) == set(attack.anchored)
    assert (attack.alone != with_receipts and "receipt_mismatch" in {kind for kind, _, _ in with_receipts}) == (
        attack.by_receipts)
    assert set(alone) == set(attack.alone)
    assert report is not None
    assert report.verdict == (Verdict.TAMPERED if attack.anchored else Verdict.GOOD)
    assert unanchored is None or unanchored.verdict == (Verdict.TAMPERED if attack.alone else Verdict.UNPROVEN)
    assert not attack.anchored or any(attack.says in each.detail for each in report.findings)


def test_the_page_shows_the_table_that_was_executed() -> None:
    page = PAGE.read_text()

    missing = [line for line in attack_rows() if line not in page]

    assert not missing, "run: python -m tests.audit_ledger.documentation"
