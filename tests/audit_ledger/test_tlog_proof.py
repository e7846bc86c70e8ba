"""Self-contained proofs: the syntax by the reference's table, the sense by our own log."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.domain.c2sp.tlog_proof import MAX_PATH, TlogProof
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from tests.audit_ledger.toy_log import ToyLog

NOW_S = 1_795_000_000
HASH = base64.b64encode(bytes(32)).decode()
COSIGNER = Cosigner(NoteSigner("witness.example/w1", bytes(range(1, 33))))
LOG = ToyLog()
POLICY = read_policy(f"log {LOG.signer.verifier}\nwitness w {COSIGNER.verifier}\nquorum w\n".encode())


def proof(index: int, size: int, *, is_cosigned: bool = True, log: ToyLog = LOG) -> TlogProof:
    """The proof a holder keeps of one entry."""
    line = COSIGNER.cosign(log.checkpoint(size).to_text(), NOW_S) if is_cosigned else ""
    return TlogProof(index, log.inclusion(index, size), log.note(size) + line.encode())


def test_the_11_proofs_of_the_reference_parse_alike(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "tlog_proof" / "parse.json").read_text())

    for case in cases:
        content = case["proof"].encode()
        if case["ok"]:
            parsed = TlogProof.parse(content)
            assert parsed.index == case["index"]
            assert [base64.b64encode(step).decode() for step in parsed.path] == case["hashes_b64"]
            assert parsed.extra == (base64.b64decode(case["extra_b64"]) if case["extra_b64"] else None)
            assert parsed.checkpoint == case["checkpoint"].encode()
            assert parsed.to_bytes() == content
        else:
            with pytest.raises(MalformedNoteError):
                TlogProof.parse(content)
    assert (len(cases), sum(case["ok"] for case in cases)) == (11, 3)


@pytest.mark.parametrize("index", ["+5", "05", "1_0", "\uff15", "-0", "0x5", " 5", "5 ", "", "9" * 19, "9" * 5000])
def test_number_games_in_the_index_are_refused(index: str) -> None:
    with pytest.raises(MalformedNoteError):
        TlogProof.parse(f"c2sp.org/tlog-proof@v1\nindex {index}\n\ncheckpoint\n".encode())


@pytest.mark.parametrize("content", [
    f"c2sp.org/tlog-proof@v1\r\nindex 0\n{HASH}\n\ncheckpoint\n", "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint",
    "c2sp.org/tlog-proof@v1\nindex 0\n", "c2sp.org/tlog-proof@v1\nindex 0\n\n", "",
    f"c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 0\n{HASH}\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\ncheckpoint\n",
    f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[:-2]}B=\n\ncheckpoint\n",
    "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * (MAX_PATH + 1) + "\ncheckpoint\n",
    f"c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n{HASH}\n\ncheckpoint\n"])
def test_bytes_out_of_place_are_refused(content: str) -> None:
    with pytest.raises(MalformedNoteError):
        TlogProof.parse(content.encode())


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PATH),
       st.binary(min_size=1) | st.none(), st.binary())
def test_what_is_written_is_read_back(index: int, path: list[bytes], extra: bytes | None, rest: bytes) -> None:
    written = TlogProof(index, tuple(path), rest + b"\n", extra)

    assert TlogProof.parse(written.to_bytes()) == written


@given(st.integers(1, 50), st.data())
def test_a_cosigned_proof_verifies_offline_for_its_leaf_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    held = TlogProof.parse(proof(index, size).to_bytes())

    assert held.verified(LOG.leaves[index], POLICY, now_s=NOW_S).checkpoint == LOG.checkpoint(size)
    with pytest.raises(UntrustedNoteError, match="does not lead"):
        held.verified(LOG.leaves[(index + 1) % 50], POLICY, now_s=NOW_S)


def test_a_proof_without_the_quorum_or_by_another_log_is_refused() -> None:
    stranger = ToyLog(NoteSigner(LOG.signer.name, bytes(32)))

    with pytest.raises(UntrustedNoteError, match="lacks the policy's quorum"):
        proof(3, 20, is_cosigned=False).verified(LOG.leaves[3], POLICY, now_s=NOW_S)
    with pytest.raises(UntrustedNoteError, match="no log key"):
        proof(3, 20, log=stranger).verified(LOG.leaves[3], POLICY, now_s=NOW_S)
