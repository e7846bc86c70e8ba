"""What a verification says of trust: anchored or not, stale, partial, empty, missing."""
# ruff: noqa: S608 - planted attacks are SQL text, by design

from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from audit_ledger.adapters.notebook import Notebook
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.errors import LedgerDownError, UncheckableError
from tests.audit_ledger.retaining import full
from tests.audit_ledger.rig import Rig, filled, kinds

ENTRIES = "audit_ledger.entries"


async def test_verification_from_a_checkpoint_sees_only_what_follows_and_says_so(rig: Rig) -> None:
    await filled(rig)
    clean = await rig.verify(since=10)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq IN (3, 15)")

    report = await rig.verify(since=10)

    assert (clean.verdict, clean.since) == (Verdict.GOOD, 10)
    assert kinds(report) == [("edited", 15, 15)]
    with pytest.raises(UncheckableError, match="no good checkpoint of size 11"):
        await rig.verify(since=11)


async def test_entries_long_without_a_checkpoint_outside_are_stale_not_good(rig: Rig) -> None:
    await filled(rig)
    ledger = rig.ledger()
    await ledger.start()
    await ledger.record(rig.event(1))
    young = await rig.verify()

    rig.clock.advance(1_000)

    assert (young.verdict, (await rig.verify()).verdict) == (Verdict.GOOD, Verdict.UNPROVEN)
    await ledger.stop()


async def empty(_rig: Rig) -> None:
    """Leave the database as migrated."""


async def of_another_ledger(rig: Rig) -> None:
    """Move everything to another stream."""
    await rig.filled(3)
    await rig.attack("UPDATE audit_ledger.entries SET stream = 'gridwarden/other'", "DELETE FROM audit_ledger.heads",
                     "DELETE FROM audit_ledger.checkpoints")


@pytest.mark.parametrize("prepare", [empty, of_another_ledger])
async def test_nothing_to_verify_is_never_good(rig: Rig, prepare: Callable[[Rig], Awaitable[None]]) -> None:
    await prepare(rig)

    with pytest.raises(UncheckableError, match="nothing to verify"):
        await rig.verify(outside=False)


async def test_a_missing_table_is_never_good(rig: Rig) -> None:
    admin = await asyncpg.connect(rig.url)
    await admin.execute("DROP TABLE audit_ledger.entries")
    await admin.close()

    with pytest.raises((UncheckableError, LedgerDownError)):
        await rig.verify()


async def test_the_outcome_of_a_verification_is_itself_sealed(rig: Rig) -> None:
    await filled(rig)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 7")
    ledger = rig.ledger()
    await ledger.start()

    report = await ledger.verify()

    [sealed] = await ledger.find(action="ledger_verified")
    assert sealed.event["event"]["outcome"] == "failure"
    assert sealed.event["grid"]["ledger"]["findings"] == [{"kind": "edited", "seq": 7, "last_seq": 7}]
    assert ledger.verification is not None
    assert ledger.verification.report == report
    await ledger.stop()


async def test_an_interrupted_verification_goes_on_where_it_was(rig: Rig, tmp_path: Path) -> None:
    await full(rig, 2_000)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq IN (3, 1900)")
    notebook, seen = Notebook(tmp_path / "verify.state", every_s=0), list[int]()

    def interrupt(done: int, _total: int) -> None:
        if done > 600:
            raise InterruptedError

    with pytest.raises(LedgerDownError):
        await rig.verifier(notebook=notebook).verify(interrupt)
    report = await rig.verifier(notebook=notebook).verify(lambda done, _total: seen.append(done))

    assert seen[0] > 500
    assert kinds(report) == kinds(await rig.verify()) == [("edited", 3, 3), ("edited", 1900, 1900)]
    assert notebook.read() is None


async def test_a_verification_of_another_history_is_not_gone_on_with(rig: Rig, tmp_path: Path) -> None:
    await full(rig, 2_000)
    notebook = Notebook(tmp_path / "verify.state", every_s=0)

    def interrupt(done: int, _total: int) -> None:
        if done > 600:
            raise InterruptedError

    with pytest.raises(LedgerDownError):
        await rig.verifier(notebook=notebook).verify(interrupt)
    await rig.attack(f"DELETE FROM {ENTRIES} WHERE seq >= 300")

    with pytest.raises(UncheckableError, match="begin anew"):
        await rig.verifier(notebook=notebook).verify()
