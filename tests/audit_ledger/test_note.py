"""Signed notes, verifier keys and checkpoints, judged by the reference implementations' own tables."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.ed25519 import public_key
from audit_ledger.domain.c2sp.note import COSIGNATURE_V1, NoteSigner, VerifierKey, open_note
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError

SIGNER = NoteSigner("gridwarden/0a1b2c3d", bytes(range(32)))
WHY = {
    "malformed": (MalformedNoteError, "."), "invalid signature": (UntrustedNoteError, "does not verify"),
    "no verifiable signature": (UntrustedNoteError, "no trusted key"),
    "ambiguous key": (UntrustedNoteError, "two trusted keys"),
}


def as_used(key: VerifierKey) -> VerifierKey:
    """The reference makes a cosignature/v1 verifier of a witness's plain Ed25519 key."""
    return VerifierKey(key.name, COSIGNATURE_V1, key.key) if key.name.startswith("witness.") else key


def loaded(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_the_17_notes_of_the_go_reference_open_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "signed_note/open.json")

    for case in cases:
        note, keys = base64.b64decode(case["note_b64"]), [VerifierKey.parse(key) for key in case["vkeys"]]
        if case["want"] == "ok":
            opened = open_note(note, keys)
            assert opened.text == case["text"]
            assert [f"{key.name}+{key.key_id.hex()}" for key in opened.verified] == case["verified"]
            assert [f"{line.name}+{line.key_id.hex()}" for line in opened.unverified] == case["unverified"]
        else:
            family, sentence = WHY[case["want"]]
            with pytest.raises(family, match=sentence):
                open_note(note, keys)
    assert len(cases) == 17


def test_the_31_notes_made_with_the_reference_open_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "notes/signed_notes.json")

    for case in cases:
        note, keys = base64.b64decode(case["note"]), [as_used(VerifierKey.parse(key)) for key in case["keys"]]
        if case["accept"]:
            opened = open_note(note, keys)
            assert (opened.text, [key.name for key in opened.verified]) == (case["text"], case["verified_by"])
        else:
            with pytest.raises((MalformedNoteError, UntrustedNoteError)):
                open_note(note, keys)
    assert len(cases) == 31


def test_the_71_verifier_keys_are_judged_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "signed_note/vkeys.json")

    for case in cases:
        if case["ok"]:
            assert str(VerifierKey.parse(case["vkey"])) == case["vkey"]
            for cut in range(len(case["vkey"])):
                with pytest.raises(MalformedNoteError):
                    VerifierKey.parse(case["vkey"][:cut])
        else:
            with pytest.raises(MalformedNoteError):
                VerifierKey.parse(case["vkey"])
    assert len(cases) == 71


def test_our_signature_line_is_the_reference_s(shared_vectors: Path) -> None:
    [case] = loaded(shared_vectors, "signed_note/sign.json")

    signer = NoteSigner.parse(case["skey"])

    assert signer.sign(case["text"]) == f"{case['text']}\n{case['signature_line']}"
    assert str(signer.verifier) == case["vkey"]
    assert NoteSigner.parse(signer.to_secret_text()) == signer


def test_the_4_keys_of_the_notes_are_read_and_the_signing_key_is_the_log_s(shared_vectors: Path) -> None:
    keys = loaded(shared_vectors, "notes/keys.json")
    signer = NoteSigner.parse(keys["log_signer_key_for_tests_only"])

    assert str(signer.verifier) == keys["log_verifier_key"]
    assert [str(VerifierKey.parse(keys[name])) for name in keys if name.endswith("verifier_key")] == [
        keys["log_verifier_key"], keys["other_verifier_key"], keys["witness_verifier_key"]]
    assert sorted(set(keys) - {"generated"}) == [
        "log_signer_key_for_tests_only", "log_verifier_key", "other_verifier_key", "witness_verifier_key"]


def test_bytes_before_between_and_after_the_parts_of_a_note_are_refused() -> None:
    note = Checkpoint(SIGNER.name, 5, bytes(32)).signed_by(SIGNER)
    text, signature = note.split(b"\n\n")

    assert open_note(note, (SIGNER.verifier,)).text.encode() == text + b"\n"
    for torn in (note + b" ", note + b"\n", note[:-1], b"\n" + note, b"\xef\xbb\xbf" + note, note + b"x\n",
                 text + b"\n \n" + signature, text + b"\r\n\r\n" + signature, text + b"\n\n" + signature[4:],
                 text + b"\n\n" + signature.replace(b" ", b"\t"), text + b"\n\n" + signature + b"\n" + signature,
                 note.replace(b"\n\n", b"\n\n\n"), note + b"\0", note + signature.rstrip(b"\n"), b"", b"\n\n"):
        with pytest.raises((MalformedNoteError, UntrustedNoteError)):
            open_note(torn, (SIGNER.verifier,))


def test_the_17_checkpoint_bodies_parse_alike_except_where_we_want_a_sha256(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "checkpoint/parse.json")
    stricter = 0

    for case in cases:
        if case["ok"] and "not 32 bytes" not in case.get("remark", ""):
            parsed = Checkpoint.parse(case["text"])
            assert (parsed.origin, parsed.size) == (case["origin"], case["size"])
            assert parsed.to_text() == case["text"]
        else:
            stricter += case["ok"]
            with pytest.raises(MalformedNoteError):
                Checkpoint.parse(case["text"])
    assert (len(cases), stricter) == (17, 6)


def test_the_12_signed_checkpoints_count_the_same_signatures(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "checkpoint/open.json")

    for case in cases:
        keys = [VerifierKey.parse(key) for key in (case["log_vkey"], *case["other_vkeys"])]
        note = base64.b64decode(case["note_b64"])
        if case["want_verified"]:
            assert len(open_note(note, keys).verified) == case["want_verified"]
        else:
            with pytest.raises((MalformedNoteError, UntrustedNoteError)):
                open_note(note, keys)
    assert len(cases) == 12


@pytest.mark.parametrize("size", [
    "+5", "05", "1_000", "\uff11", "-1", "0x5", " 5", "5 ", "", "9" * 19, "9223372036854775808", "9" * 5000, "1e3",
    "5.0", "\u0665", "5\u00a0", "00", "-0"])
def test_number_games_in_a_checkpoint_are_refused(size: str) -> None:
    with pytest.raises(MalformedNoteError, match="plain decimal"):
        Checkpoint.parse(f"origin\n{size}\n{base64.b64encode(bytes(32)).decode()}\n")


@pytest.mark.parametrize("root", [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\t"])
def test_a_root_that_is_not_canonical_base64_of_32_bytes_is_refused(root: str) -> None:
    with pytest.raises(MalformedNoteError):
        Checkpoint.parse(f"origin\n5\n{root}\n")


@pytest.mark.parametrize("raw", [
    bytes(32), b"\1" + bytes(31), bytes(31) + b"\x80", b"\1" + bytes(30) + b"\x80", b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f", b"\xee" + b"\xff" * 30 + b"\xff", b"\xff" * 32,
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"), b"short"])
def test_a_key_that_anybody_could_sign_for_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedNoteError):
        public_key(raw)


def test_a_checkpoint_of_another_origin_or_key_is_refused() -> None:
    note = Checkpoint("gridwarden/0a1b2c3d", 5, bytes(32)).signed_by(SIGNER)

    with pytest.raises(MalformedNoteError, match="not of gridwarden/other"):
        open_checkpoint(note, "gridwarden/other", SIGNER.verifier)
    with pytest.raises(UntrustedNoteError):
        open_checkpoint(note, SIGNER.name, NoteSigner(SIGNER.name, bytes(32)).verifier)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.data())
def test_any_changed_bit_of_a_signed_checkpoint_is_noticed(size: int, root: bytes, data: st.DataObject) -> None:
    checkpoint = Checkpoint(SIGNER.name, size, root)
    note = bytearray(checkpoint.signed_by(SIGNER))
    assert open_checkpoint(bytes(note), SIGNER.name, SIGNER.verifier) == checkpoint

    note[data.draw(st.integers(0, len(note) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises((MalformedNoteError, UntrustedNoteError)):
        open_checkpoint(bytes(note), SIGNER.name, SIGNER.verifier)
