"""Witness cosignatures, judged by the reference implementations' own tables."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.cosignature import Cosigner, accepted_cosignature, as_cosigner, timestamp_of
from audit_ledger.domain.c2sp.note import (
    MAX_NOTE_BYTES,
    NoteSigner,
    VerifierKey,
    open_note,
    split_note,
    strict_base64,
)
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from tests.audit_ledger.toy_log import ToyLog

COSIGNER = Cosigner(NoteSigner("witness.example/w1", bytes(range(1, 33))))
NOW_S = 1_795_000_000


def loaded(folder: Path, name: str) -> Any:
    return json.loads((folder / "cosignature" / name).read_text())


def test_the_15_cosigned_notes_are_judged_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "notes.json")

    for case in cases:
        note, key = base64.b64decode(case["note_b64"]), VerifierKey.parse(case["cosigner_vkey"])
        if case["ok"]:
            opened = open_note(note, (key,))
            assert timestamp_of(opened.signatures[0]) == case["time"]
            assert Checkpoint.parse(opened.text).origin == case["origin"]
        else:
            with pytest.raises(UntrustedNoteError, match="does not verify"):
                open_note(note, (key,))
    assert (len(cases), sum(case["ok"] for case in cases)) == (15, 3)


def test_the_8_keys_are_judged_alike_except_that_ml_dsa_is_refused_by_name(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "vkeys.json")
    post_quantum = [case for case in cases if "MLDSA" in case["case"]]

    for case in cases:
        if case["ok"] and case not in post_quantum:
            assert as_cosigner(VerifierKey.parse(case["vkey"])).algorithm == 4
        else:
            with pytest.raises(MalformedNoteError):
                VerifierKey.parse(case["vkey"])
    with pytest.raises(MalformedNoteError, match=r"type 6 \(ML-DSA-44\), which this version cannot verify"):
        VerifierKey.parse(post_quantum[0]["vkey"])
    assert (len(cases), len(post_quantum)) == (8, 1)


def test_the_3_timestamps_are_read_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "timestamps.json")

    for case in cases:
        if case["ok"]:
            assert timestamp_of(strict_base64(case["signature_b64"])[4:]) == case["time"]
        else:
            with pytest.raises(MalformedNoteError):
                timestamp_of(strict_base64(case["signature_b64"])[4:])
    assert len(cases) == 3


def test_the_specification_s_example_has_the_format_we_read(shared_vectors: Path) -> None:
    case = loaded(shared_vectors, "format_example.json")

    text, (log, witness) = split_note(case["note"].encode())

    assert Checkpoint.parse(text).size == 20852163
    assert log.key_id.hex() == case["key_id_log"]
    assert timestamp_of(witness.signature) == case["time"]


@pytest.mark.parametrize(("time_s", "accepted"), [(0, True), (2**63 - 1, True), (2**63, False), (2**64 - 1, False)])
def test_a_time_beyond_2_to_63_is_no_time(time_s: int, *, accepted: bool) -> None:
    text = ToyLog().checkpoint(5).to_text()
    note = f"{text}\n{COSIGNER.cosign(text, time_s)}".encode()

    if accepted:
        assert timestamp_of(open_note(note, (COSIGNER.verifier,)).signatures[0]) == time_s
    else:
        with pytest.raises(UntrustedNoteError):
            open_note(note, (COSIGNER.verifier,))


def test_a_cosignature_of_another_origin_size_or_root_does_not_carry_over() -> None:
    log = ToyLog()
    other = ToyLog(NoteSigner("gridwarden/ffffffff", bytes(32)))
    line = COSIGNER.cosign(log.checkpoint(5).to_text(), NOW_S).encode()

    assert accepted_cosignature(log.note(5), line, COSIGNER.verifier).time_s == NOW_S
    for note in (other.note(5), log.note(6), log.forked_after(2).note(5)):
        with pytest.raises(UntrustedNoteError, match="does not verify"):
            accepted_cosignature(note, line, COSIGNER.verifier)


def test_a_plain_signature_by_the_witness_s_key_is_no_cosignature() -> None:
    log = ToyLog()
    plain = COSIGNER.signer.sign(log.checkpoint(5).to_text()).rpartition("\n\n")[2].encode()

    with pytest.raises(UntrustedNoteError, match="no trusted key"):
        accepted_cosignature(log.note(5), plain, COSIGNER.verifier)


def test_lines_of_unknown_witnesses_are_ignored_and_anything_else_is_not() -> None:
    log = ToyLog()
    text = log.checkpoint(5).to_text()
    stranger = Cosigner(NoteSigner("witness.example/w2", bytes(32))).cosign(text, NOW_S)
    ours = COSIGNER.cosign(text, NOW_S)

    found = accepted_cosignature(log.note(5), f"{stranger}{ours}".encode(), COSIGNER.verifier)

    assert found.line == ours
    for junk in (b"", stranger.encode(), ours.encode() + b"\n", b"\n" + ours.encode(), ours.encode()[:-1], b"\xff"):
        with pytest.raises((MalformedNoteError, UntrustedNoteError)):
            accepted_cosignature(log.note(5), junk, COSIGNER.verifier)


def test_a_witness_that_signs_the_whole_note_as_text_has_not_cosigned_the_checkpoint() -> None:
    """Its line would verify over the answer that carries it, and spoil every note it is appended to."""
    note = ToyLog().note(5)
    answer = f"\n{COSIGNER.cosign(note.decode(), NOW_S)}".encode()
    assert open_note(note + answer, (COSIGNER.verifier,)).text == note.decode()

    with pytest.raises(UntrustedNoteError, match="another text"):
        accepted_cosignature(note, answer, COSIGNER.verifier)


def test_a_note_beyond_a_million_bytes_is_not_read() -> None:
    with pytest.raises(MalformedNoteError, match="longer than"):
        split_note(b"x" * MAX_NOTE_BYTES + b"\n\n")


@given(st.integers(0, 2**63 - 1), st.integers(0, 50), st.data())
def test_any_changed_bit_of_a_cosigned_checkpoint_is_noticed(time_s: int, size: int, data: st.DataObject) -> None:
    text = ToyLog().checkpoint(size).to_text()
    note = bytearray(f"{text}\n{COSIGNER.cosign(text, time_s)}".encode())
    assert timestamp_of(open_note(bytes(note), (COSIGNER.verifier,)).signatures[0]) == time_s

    note[data.draw(st.integers(0, len(note) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises((MalformedNoteError, UntrustedNoteError)):
        open_note(bytes(note), (COSIGNER.verifier,))
