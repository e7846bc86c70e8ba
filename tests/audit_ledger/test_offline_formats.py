"""The offline verifier's formats under other people's vectors: the same ones our own code is judged by."""

import ast
import base64
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.adapters import offline_formats as offline
from audit_ledger.adapters.bundle_file import verifier_source
from audit_ledger.domain.archive.bundle import is_sealed_form
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.errors import MalformedNoteError, RefusedEventError

SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)


def cases(folder: Path, name: str) -> Any:
    """Read one vector file."""
    return json.loads((folder / name).read_text())


def does(check: Any, *given: Any) -> bool:
    """Tell whether a strict parser takes it."""
    try:
        check(*given)
    except (ValueError, LookupError):
        return False
    return True


def hashes(proof: list[str] | None) -> list[bytes]:
    """Decode a proof."""
    return [base64.b64decode(step) for step in proof or []]


def test_ed25519_of_wycheproof(shared_vectors: Path) -> None:
    groups = cases(shared_vectors, "jose/wycheproof/ed25519.json")["testGroups"]
    found = [
        (case["tcId"], offline.is_signed(bytes.fromhex(group["publicKey"]["pk"]), bytes.fromhex(case["msg"]),
                                         bytes.fromhex(case["sig"])) == (case["result"] == "valid"))
        for group in groups for case in group["tests"]
    ]

    assert len(found) == 90
    assert [case for case, agrees in found if not agrees] == []


def test_ed25519_of_rfc_8032(shared_vectors: Path) -> None:
    found = [
        offline.is_signed(*(bytes.fromhex(case[name]) for name in ("public_hex", "message_hex", "signature_hex")))
        for case in cases(shared_vectors, "jose/rfc/rfc8032_ed25519.json")
    ]

    assert found == [True] * 3


@pytest.mark.parametrize("key", [*SMALL_ORDER, "ee" + "ff" * 30 + "7f", "02" + "00" * 31])
def test_keys_that_anybody_could_sign_for_are_no_keys(key: str) -> None:
    assert not does(offline.decode_point, bytes.fromhex(key))


def test_rfc_6962_proofs(shared_vectors: Path) -> None:
    inclusion = [
        offline.proves_inclusion(base64.b64decode(case["leafHash"]), case["leafIdx"], case["treeSize"],
                                 hashes(case["proof"]), base64.b64decode(case["root"])) == (not case["wantErr"])
        for case in cases(shared_vectors, "merkle/inclusion.json")
    ]
    wrong = [
        case["case"] for case in cases(shared_vectors, "merkle/consistency.json")
        if offline.proves_consistency(
            case["size1"], case["size2"], hashes(case["proof"]),
            (base64.b64decode(case["root1"]), base64.b64decode(case["root2"]))) == case["wantErr"]
    ]

    assert inclusion == [True] * 65
    assert wrong == []
    assert len(cases(shared_vectors, "merkle/consistency.json")) == 65


def test_the_classic_tree(shared_vectors: Path) -> None:
    vector = cases(shared_vectors, "merkle/rfc6962_tree.json")
    tree, roots = offline.Tree(), []
    for leaf in vector["leaf_inputs_hex"]:
        roots.append(tree.root().hex())
        tree.add(sha256(b"\0" + bytes.fromhex(leaf)).digest())

    assert [*roots, tree.root().hex()] == list(vector["root_hashes_hex"])
    assert len(roots) == 8


def test_proofs_of_the_go_reference(shared_vectors: Path) -> None:
    vector = cases(shared_vectors, "notes/tree.json")
    roots = {int(size): bytes.fromhex(root) for size, root in _by_size(vector["roots"]).items()}
    leaves = [sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in vector["leaves_hex"]]
    inclusion = [
        offline.proves_inclusion(leaves[case.get("index", 0)], case.get("index", 0), case["size"],
                                 [bytes.fromhex(step) for step in case["proof"]], roots[case["size"]])
        for case in vector["proofs"] if case["kind"] == "inclusion"
    ]
    consistency = [
        offline.proves_consistency(case["from"], case["size"], [bytes.fromhex(step) for step in case["proof"]],
                                   (roots[case["from"]], roots[case["size"]]))
        for case in vector["proofs"] if case["kind"] == "consistency"
    ]

    assert (all(inclusion), all(consistency), len(inclusion) + len(consistency)) == (True, True, 276)


def _by_size(roots: Any) -> dict[str, str]:
    return roots if isinstance(roots, dict) else {str(size): root for size, root in enumerate(roots, start=1)}


def test_signed_notes_of_go(shared_vectors: Path) -> None:
    found = []
    for case in cases(shared_vectors, "signed_note/open.json"):
        keys = [offline.parse_key(key) for key in case["vkeys"]]
        found.append(does(offline.open_note, base64.b64decode(case["note_b64"]), keys) == (case["want"] == "ok"))

    assert found == [True] * 17


def test_verifier_keys(shared_vectors: Path) -> None:
    wrong = [case for case in cases(shared_vectors, "signed_note/vkeys.json")
             if does(offline.parse_key, case["vkey"]) != case["ok"]]

    assert wrong == []
    assert len(cases(shared_vectors, "signed_note/vkeys.json")) == 71


def test_notes_of_the_go_reference(shared_vectors: Path) -> None:
    vectors = cases(shared_vectors, "notes/signed_notes.json")
    found = []
    for case in vectors:
        keys = [offline.parse_key(key) for key in case["keys"]]
        found.append(does(offline.open_note, base64.b64decode(case["note"]), keys) == case["accept"])

    assert found == [True] * 31


def test_checkpoints(shared_vectors: Path) -> None:
    strict = {case["text"]: does(offline.parse_checkpoint, case["text"])
              for case in cases(shared_vectors, "checkpoint/parse.json")}
    wrong = [case for case in cases(shared_vectors, "checkpoint/parse.json")
             if strict[case["text"]] != case["ok"] and "remark" not in case]
    opened = []
    for case in cases(shared_vectors, "checkpoint/open.json"):
        log, *others = (offline.parse_key(key) for key in (case["log_vkey"], *case["other_vkeys"]))
        try:
            text, signed = offline.open_note(base64.b64decode(case["note_b64"]), [log, *others])
        except ValueError:
            opened.append(not case["ok"])
            continue
        is_good = log in signed and text.startswith(f"{case['origin']}\n")  # the roots of these cases have six bytes
        opened.append(is_good == case["ok"] and (not is_good or len(signed) == case["want_verified"]))

    assert (wrong, len(cases(shared_vectors, "checkpoint/parse.json"))) == ([], 17)
    assert opened == [True] * 12


def test_cosignatures(shared_vectors: Path) -> None:
    wrong = [case["vkey"] for case in cases(shared_vectors, "cosignature/vkeys.json")
             if does(offline.parse_key, case["vkey"]) != _is_known(case)]
    notes = []
    for case in cases(shared_vectors, "cosignature/notes.json"):
        key = offline.parse_key(case["cosigner_vkey"])
        try:
            _, signed = offline.open_note(base64.b64decode(case["note_b64"]), [key])
            notes.append(case["ok"] and int.from_bytes(signed[key][:8], "big") == case["time"])
        except (ValueError, LookupError):
            notes.append(not case["ok"])

    assert (wrong, len(cases(shared_vectors, "cosignature/vkeys.json"))) == ([], 8)
    assert notes == [True] * 15


def _is_known(case: dict[str, Any]) -> bool:
    """ML-DSA-44 is a good key that this file cannot verify."""
    return case["ok"] and base64.b64decode(case["vkey"].split("+", 2)[2])[0] != 6


def test_a_key_of_another_kind_is_refused_by_name(shared_vectors: Path) -> None:
    [key] = [case["vkey"] for case in cases(shared_vectors, "cosignature/vkeys.json")
             if case["ok"] and not _is_known(case)]

    with pytest.raises(ValueError, match="ML-DSA-44"):
        offline.parse_key(key)


def test_policies(shared_vectors: Path) -> None:
    vectors = cases(shared_vectors, "tlog_policy/parse.json")
    wrong = [case["case"] for case in vectors
             if does(offline.parse_policy, case["policy"].encode()) != case["ok"] and "remark" not in case]

    assert (wrong, len(vectors)) == ([], 11)


def test_canonical_json(shared_vectors: Path) -> None:
    outputs = sorted((shared_vectors / "jcs" / "output").glob("*.json"))
    taken = {path.stem: offline.is_canonical(path.read_bytes()) for path in outputs}
    strict = [case for case in cases(shared_vectors, "json/parsing.json")
              if case["expect"] == "reject" and offline.is_canonical(bytes.fromhex(case["hex"]))]

    assert taken == {path.stem: is_sealed_form(path.read_bytes()) for path in outputs}
    assert len(outputs) == 6
    assert strict == []


def test_both_implementations_read_the_316_parsing_cases_alike(shared_vectors: Path) -> None:
    vectors = cases(shared_vectors, "json/parsing.json")
    apart = [case["name"] for case in vectors
             if offline.is_canonical(bytes.fromhex(case["hex"])) != is_sealed_form(bytes.fromhex(case["hex"]))]

    assert (apart, len(vectors)) == ([], 316)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2**54, 2**54) | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12)


@given(JSON)
def test_what_the_door_admits_is_canonical_and_nothing_else(value: Any) -> None:
    try:
        payload = payload_of({"held": value})
    except RefusedEventError:
        payload = json.dumps({"held": value}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
            "utf-8", "surrogatepass")
        assert not offline.is_canonical(payload)
    else:
        assert offline.is_canonical(payload)


@given(JSON, st.sampled_from((" ", "\n", "0", ",", '"', "\\u0041")), st.integers(0, 200))
def test_one_character_more_is_judged_alike(value: Any, more: str, at: int) -> None:
    payload = json.dumps({"held": value}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    place = at % (len(payload) + 1)
    changed = payload[:place] + more.encode() + payload[place:]

    assert offline.is_canonical(changed) == is_sealed_form(changed)


@pytest.mark.parametrize("depth", [63, 64, 65, 66, 2_000])
def test_depth_is_judged_alike(depth: int) -> None:
    payload = b'{"a":' * depth + b"1" + b"}" * depth

    assert offline.is_canonical(payload) == is_sealed_form(payload) == (depth <= 64)


@given(st.binary(max_size=33))
def test_keys_are_judged_alike(raw: bytes) -> None:
    material = bytes((1,)) + raw
    key_id = sha256(b"log\n" + material).hexdigest()[:8]
    text = f"log+{key_id}+{base64.b64encode(material).decode()}"
    try:
        ours = VerifierKey.parse(text).key == raw
    except (MalformedNoteError, ValueError):
        ours = False

    assert does(offline.parse_key, text) in {ours, False}  # a point off the curve: our library says so when it verifies


def test_the_verifier_needs_nothing_but_the_standard_library() -> None:
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(verifier_source())) if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }

    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_the_verifier_runs_on_python_3_9(tmp_path: Path) -> None:
    path = tmp_path / "verify.py"
    path.write_text(verifier_source())

    vermin = str(Path(sys.executable).with_name("vermin"))
    done = subprocess.run([vermin, "-t=3.9-", "--no-tips", str(path)], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    assert len(verifier_source().splitlines()) < 620
