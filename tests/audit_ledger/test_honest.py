"""Honest data never raises a false alarm: odd times, wide integers, foreign scripts, the largest payloads."""

import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.canonical import MAX_PAYLOAD, payload_of
from audit_ledger.domain.entry import leaf_data_of, max_whole_payload
from audit_ledger.domain.errors import RefusedEventError
from tests.audit_ledger.rig import Rig

TEXT = st.text(st.characters(codec="utf-8"), max_size=30).map(lambda text: unicodedata.normalize("NFC", text))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12)


def padded(rig: Rig, size: int) -> dict[str, Any]:
    """Return an event whose payload has exactly `size` bytes."""
    event = rig.event(1, labels={"pad": ""})
    event["labels"]["pad"] = "x" * (size - len(payload_of(event)))
    return event


@pytest.mark.parametrize("below", [0, 1, 300])
async def test_payloads_up_to_the_largest_are_sealed_read_and_proven(rig: Rig, below: int) -> None:
    ledger = rig.ledger()
    await ledger.start()
    receipts = [await ledger.record(padded(rig, MAX_PAYLOAD - below)) for _ in range(3)]
    await ledger.stop()

    assert (await rig.verify()).verdict is Verdict.GOOD
    assert len((await rig.reader.entries(receipts[1].seq, 1))[0].payload) == MAX_PAYLOAD - below


async def test_one_byte_more_is_refused_with_what_to_do(rig: Rig) -> None:
    with pytest.raises(RefusedEventError, match="seal its SHA-256"):
        payload_of(padded(rig, MAX_PAYLOAD + 1))


@pytest.mark.parametrize("around", [-1, 0, 1])
async def test_leaf_data_fits_a_tile_bundle_also_where_the_payload_goes_in_by_digest(rig: Rig, around: int) -> None:
    leaf_data = leaf_data_of(rig.signer.name)

    written = leaf_data(bytes(32), 7, 1, b"x" * (max_whole_payload(rig.signer.name) + around))

    assert len(written) <= MAX_PAYLOAD
    assert (written[32] == 2) == (around > 0)


async def test_an_edit_in_a_payload_that_went_in_by_digest_is_found(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    receipt = await ledger.record(padded(rig, MAX_PAYLOAD))
    await ledger.stop()

    await rig.attack(f"UPDATE audit_ledger.entries SET payload = set_byte(payload, 60000, 121) "  # noqa: S608
                     f"WHERE seq = {receipt.seq}")

    assert [(str(found.kind), found.seq) for found in (await rig.verify()).findings] == [("edited", receipt.seq)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.dictionaries(TEXT, VALUES, max_size=4), min_size=1, max_size=20), step=st.integers(0, 10**9))
async def test_whatever_is_admitted_verifies(rig: Rig, events: list[dict[str, Any]], step: int) -> None:
    ledger = rig.ledger()
    await ledger.start()
    for number, extra in enumerate(events):
        rig.clock.advance(step / 1_000_000)
        await ledger.record({**rig.event(number), **extra})
    await ledger.stop()

    report = await rig.verify()

    assert (report.verdict, report.findings) == (Verdict.GOOD, ())


@pytest.mark.parametrize("text", ["e\u0301", "\u1100\u1161", "A\u030a"])
async def test_text_that_is_not_nfc_is_refused_at_the_door(rig: Rig, text: str) -> None:
    with pytest.raises(RefusedEventError, match="normalisation form C"):
        payload_of(rig.event(1, labels={"name": text}))
