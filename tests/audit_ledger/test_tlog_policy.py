"""Trust policies: the reference's files, C2SP's rules, and what a dishonest log could show an auditor."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.policy_file import MAX_POLICY_BYTES, read_policy
from audit_ledger.domain.c2sp.tlog_policy import Policy, survey
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from tests.audit_ledger.toy_log import ToyLog

NOW_S = 1_795_000_000
LOG = ToyLog()
W1, W2, W3 = (Cosigner(NoteSigner(f"witness.example/w{number}", bytes([number] * 32))) for number in (1, 2, 3))
HEAD = f"log {LOG.signer.verifier}\nwitness w1 {W1.verifier}\nwitness w2 {W2.verifier}\nwitness w3 {W3.verifier}\n"


def policy(lines: str) -> Policy:
    """A policy of three witnesses."""
    return read_policy(f"{HEAD}{lines}".encode())


TWO_OF_THREE = policy("group g 2 w1 w2 w3\nquorum g\n")


def cosigned(size: int, *witnesses: Cosigner, at_s: int = NOW_S, log: ToyLog = LOG) -> bytes:
    """A checkpoint with cosignatures."""
    text = log.checkpoint(size).to_text()
    return log.note(size) + "".join(witness.cosign(text, at_s) for witness in witnesses).encode()


def test_the_11_policies_of_the_reference_are_read_alike_except_for_one_key_under_two_names(
    shared_vectors: Path,
) -> None:
    cases = json.loads((shared_vectors / "tlog_policy" / "parse.json").read_text())
    stricter = 0

    for case in cases:
        doubled = "duplicate keys" in case.get("remark", "")
        if case["ok"] and not doubled:
            read = read_policy(case["policy"].encode())
            [needs] = [group.threshold for group in read.groups if group.name == read.quorum]
            assert needs == case["quorum_needs"]
        else:
            stricter += case["ok"]
            with pytest.raises(MalformedNoteError, match="it would count twice" if doubled else "."):
                read_policy(case["policy"].encode())
    assert (len(cases), stricter) == (11, 3)


def test_who_signed_and_when_and_whether_it_is_enough() -> None:
    text = LOG.checkpoint(20).to_text()
    note = LOG.note(20) + (W1.cosign(text, NOW_S - 50) + W3.cosign(text, NOW_S - 7)).encode()

    found = TWO_OF_THREE.judge(note, now_s=NOW_S)

    assert (found.checkpoint, found.log) == (LOG.checkpoint(20), LOG.signer.verifier)
    assert [(each.witness, each.time_s) for each in found.cosigned] == [("w1", NOW_S - 50), ("w3", NOW_S - 7)]
    assert (found.has_quorum, found.witnessed_at_s) == (True, NOW_S - 50)
    assert not TWO_OF_THREE.judge(cosigned(20, W2), now_s=NOW_S).has_quorum


@pytest.mark.parametrize(("lines", "enough"), [
    ("quorum none\n", "- 1 2 3 12 13 23 123"),
    ("quorum w2\n", "2 12 23 123"),
    ("group g all w1 w2 w3\nquorum g\n", "123"),
    ("group g any w1 w3\nquorum g\n", "1 3 12 13 23 123"),
    ("group g 2 w1 w2 w3\nquorum g\n", "12 13 23 123"),
    ("group x any w1 w2\ngroup g all x w3\nquorum g\n", "13 23 123"),
    ("group x all w1 w2\ngroup g 1 x w3\nquorum g\n", "3 12 13 23 123")])
def test_a_quorum_is_what_the_groups_say(lines: str, enough: str) -> None:
    asked = policy(lines)
    wanted = {"" if names == "-" else names for names in enough.split()}

    for names in ("", "1", "2", "3", "12", "13", "23", "123"):
        assert asked.is_quorum(f"w{number}" for number in names) == (names in wanted), names


@pytest.mark.parametrize(("lines", "why"), [
    ("group g 0 w1\nquorum g\n", "cannot need 0"),
    ("group g 2 w1\nquorum g\n", "cannot need 2"),
    ("group g 01 w1\nquorum g\n", "plain decimal"),
    ("group g +1 w1\nquorum g\n", "plain decimal"),
    ("group g \uff11 w1\nquorum g\n", "plain decimal"),
    ("group g 1_0 w1\nquorum g\n", "plain decimal"),
    (f"group g {'9' * 5000} w1\nquorum g\n", "plain decimal"),
    ("group g all\nquorum g\n", "does not have 2 items"),
    ("group g all w1 w1\nquorum g\n", "already a member"),
    ("group g all w1 w2\ngroup h all w1 w3\nquorum h\n", "already a member"),
    ("group g all none\nquorum g\n", "not defined above"),
    ("group g all g\nquorum g\n", "not defined above"),
    ("group g all h\ngroup h all w1\nquorum g\n", "not defined above"),
    ("group w1 all w2\nquorum w1\n", "is taken"),
    ("group any all w2\nquorum any\n", "is taken"),
    ("quorum w1\nquorum w1\n", "already a quorum"),
    ("quorum w4\n", "not defined above"),
    ("quorum w1 w2\n", "does not have 2 items"),
    ("quorum W1\n", "not defined above"),
    ("quorum w1", "cut short"),
    ("quorum w1\r\n", "control characters"),
    ("quorum w1\x00\n", "control characters"),
    ("quorums w1\n", "begins with none of"),
    ("", "defines no quorum"),
    (f"witness w4 {W1.verifier}\nquorum w1\n", "line 5.*it would count twice"),
    (f"witness w4 {Cosigner(NoteSigner('another.name', bytes([1] * 32))).verifier}\nquorum w1\n", "count twice"),
    (f"witness w4 {W1.signer.verifier}\nquorum w1\n", "count twice"),
    (f"log {NoteSigner('other', LOG.signer.seed).verifier}\nquorum w1\n", "count twice"),
    (f"witness w4 {Cosigner(NoteSigner('w', LOG.signer.seed)).verifier}\nquorum w4\n", "count twice"),
    (f"log {W1.verifier}\nquorum w1\n", "type 1"),
    (f"witness w4 {str(W1.verifier)[:-4]}\nquorum w1\n", "line 5")])
def test_what_c2sp_forbids_is_refused_by_name(lines: str, why: str) -> None:
    with pytest.raises(MalformedNoteError, match=why):
        policy(lines)


def test_odd_but_allowed_spelling_is_read() -> None:
    kelvin = "\u212a".encode()
    content = (f"# keys of autumn\n\n \t{HEAD}".encode() + b"group \xff\xfe any\tw1   w2  # any of both\n"
               b"group " + kelvin + b" all \xff\xfe w3\nquorum " + kelvin + b"\t\n# end\n")

    read = read_policy(content)

    assert read.is_quorum(("w1", "w3"))
    with pytest.raises(MalformedNoteError, match="not defined"):
        read_policy(content.replace(b"quorum " + kelvin, b"quorum K"))


def test_a_policy_of_32_logs_witnesses_and_groups_is_read_and_a_huge_one_is_not() -> None:
    lines = [f"log {NoteSigner(f'log{number}', bytes([number, 1] * 16)).verifier}" for number in range(32)]
    lines += [f"witness w{number} {Cosigner(NoteSigner(f'w{number}', bytes([number, 2] * 16))).verifier} https://w"
              for number in range(32)]
    lines += [f"group g{number} any w{number}" + (f" g{number - 1}" if number else "") for number in range(32)]

    read = read_policy("".join(f"{line}\n" for line in (*lines, "quorum g31")).encode())

    assert (len(read.logs), len(read.witnesses), len(read.groups)) == (32, 32, 32)
    assert read.is_quorum(("w0",))
    with pytest.raises(MalformedNoteError, match="at most"):
        read_policy(b"#" * MAX_POLICY_BYTES + b"\n")


def test_groups_nested_a_thousand_deep_are_judged_without_recursion() -> None:
    groups = "".join(f"group g{number} all g{number - 1}\n" for number in range(1, 5000))

    assert policy(f"group g0 any w1 w2 w3\n{groups}quorum g4999\n").is_quorum(("w2",))


def test_a_witness_signing_twice_under_two_names_counts_once() -> None:
    twice = Cosigner(NoteSigner("another.name", W1.signer.seed))

    found = TWO_OF_THREE.judge(cosigned(20, W1, W1, twice), now_s=NOW_S)

    assert [each.witness for each in found.cosigned] == ["w1"]
    assert not found.has_quorum


def test_a_forged_cosignature_spoils_the_note() -> None:
    thief = Cosigner(NoteSigner(W2.signer.name, bytes(32)))
    text = LOG.checkpoint(20).to_text()
    own = W2.verifier.key_id + bytes(72)
    forged = thief.cosign(text, NOW_S)

    assert not TWO_OF_THREE.judge(cosigned(20, W1) + forged.encode(), now_s=NOW_S).has_quorum
    with pytest.raises(UntrustedNoteError, match="does not verify"):
        TWO_OF_THREE.judge(cosigned(20, W1) + _line(W2.signer.name, own), now_s=NOW_S)


def _line(name: str, raw: bytes) -> bytes:
    return f"\u2014 {name} {base64.b64encode(raw).decode()}\n".encode()


def test_cosignatures_of_another_origin_or_tree_do_not_count() -> None:
    other = ToyLog(NoteSigner("gridwarden/ffffffff", bytes(32)))
    moved = cosigned(20, W1, W2, log=other).partition(b"\n\n")[2].split(b"\n", 1)[1]

    with pytest.raises(UntrustedNoteError, match="does not verify"):
        TWO_OF_THREE.judge(LOG.note(20) + moved, now_s=NOW_S)
    with pytest.raises(UntrustedNoteError, match="no log key"):
        TWO_OF_THREE.judge(cosigned(20, W1, W2, log=other), now_s=NOW_S)


def test_a_log_does_not_sign_for_another_s_origin() -> None:
    other = NoteSigner("gridwarden/ffffffff", bytes(32))
    text = LOG.checkpoint(20).to_text()
    note = (other.sign(text) + W1.cosign(text, NOW_S) + W2.cosign(text, NOW_S)).encode()

    with pytest.raises(UntrustedNoteError, match="no log key of the policy signed this checkpoint of gridwarden/0a1b"):
        TWO_OF_THREE.for_log(other.verifier).judge(note, now_s=NOW_S)


def test_a_policy_without_logs_serves_a_log_known_from_elsewhere() -> None:
    bare = read_policy(f"witness w1 {W1.verifier}\nquorum w1\n".encode())

    assert bare.for_log(LOG.signer.verifier).judge(cosigned(5, W1), now_s=NOW_S).has_quorum
    with pytest.raises(UntrustedNoteError, match="no log key"):
        bare.judge(cosigned(5, W1), now_s=NOW_S)
    with pytest.raises(MalformedNoteError, match="its own witness"):
        bare.for_log(NoteSigner("gridwarden/0a1b2c3d", W1.signer.seed).verifier)


def test_a_cosignature_from_the_future_counts_for_nothing() -> None:
    note = cosigned(20, W1, W2, at_s=NOW_S + 301)

    assert not TWO_OF_THREE.judge(note, now_s=NOW_S).has_quorum
    assert TWO_OF_THREE.judge(note, now_s=NOW_S + 1).has_quorum


def test_stale_cosignatures_show_their_age_whatever_one_fresh_one_says() -> None:
    text = LOG.checkpoint(20).to_text()
    lines = W1.cosign(text, NOW_S) + W2.cosign(text, NOW_S - 90_000) + W3.cosign(text, NOW_S - 100_000)

    found = TWO_OF_THREE.judge(LOG.note(20) + lines.encode(), now_s=NOW_S)

    assert found.witnessed_at_s == NOW_S - 90_000


def test_a_survey_finds_the_largest_checkpoint_under_quorum_among_anything() -> None:
    notes = [cosigned(10, W1, W2), cosigned(30, W1), cosigned(20, W2, W3), b"junk", LOG.note(40),
             cosigned(45, W1, W2, log=ToyLog(NoteSigner(LOG.signer.name, bytes(32))))]

    found = survey(TWO_OF_THREE, notes, now_s=NOW_S)

    assert found.largest is not None
    assert found.largest.checkpoint == LOG.checkpoint(20)
    assert found.split is None
    assert len(found.refused) == 2
    assert survey(TWO_OF_THREE, [LOG.note(40)], now_s=NOW_S).largest is None


def test_two_trees_of_one_size_are_proof_of_a_split_view_even_without_a_quorum() -> None:
    fork = LOG.forked_after(7)

    found = survey(TWO_OF_THREE, [cosigned(20, W1, W2), fork.note(20)], now_s=NOW_S)

    assert found.split is not None
    assert {each.checkpoint.root for each in found.split} == {LOG.checkpoint(20).root, fork.checkpoint(20).root}
    assert found.largest is not None
    assert found.largest.checkpoint == LOG.checkpoint(20)


def test_a_split_view_gets_no_quorum_for_its_second_tree() -> None:
    """The witnesses saw one tree of 20, the auditor is shown another."""
    shown = LOG.forked_after(7)
    borrowed = cosigned(20, W1, W2)[len(LOG.note(20)):]

    assert not TWO_OF_THREE.judge(shown.note(20), now_s=NOW_S).has_quorum
    with pytest.raises(UntrustedNoteError, match="does not verify"):
        TWO_OF_THREE.judge(shown.note(20) + borrowed, now_s=NOW_S)


def test_a_rollback_for_a_new_auditor_shows_by_its_age() -> None:
    """The log has 50 entries; whoever never saw it is given the old, honestly cosigned 10."""
    old = cosigned(10, W1, W2, W3, at_s=NOW_S - 86_400)

    found = survey(TWO_OF_THREE, [old], now_s=NOW_S)

    assert found.largest is not None
    assert found.largest.witnessed_at_s == NOW_S - 86_400


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_a_policy_fail_in_an_unknown_way(content: bytes) -> None:
    try:
        read_policy(HEAD.encode() + content + b"\nquorum w1\n")
    except MalformedNoteError as refusal:
        assert "policy" in refusal.detail  # noqa: PT017 - either outcome is fine, a crash is not


@given(st.sets(st.sampled_from(["w1", "w2", "w3"])), st.sets(st.sampled_from(["w1", "w2", "w3"])))
def test_more_witnesses_never_break_a_quorum(some: set[str], more: set[str]) -> None:
    nested = policy("group x any w1 w2\ngroup g all x w3\nquorum g\n")

    assert nested.is_quorum(some | more) or not nested.is_quorum(some)
