"""Someone else's vectors as judge: what is published as valid and of our algorithms verifies, all the rest is refused.

Every case is counted. A JWE is not taken at all: each of theirs is counted as refused by the door.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OKPKey

from identity.domain.jose import foreign
from identity.domain.jose.algorithms import ALGORITHMS, CLIENT_ALGORITHMS
from identity.domain.jose.compact import decoded, encoded
from identity.domain.jose.jwk import UnfitKeyError, public_key
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.oauth.pkce import challenge_of

ANY_TYPE = frozenset({None, "JWT", "JOSE"})
PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def public_half(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in PRIVATE}


def key_set(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group's keys as a set, without their private halves, and for verifying where it says signing."""
    given = group.get("public") or group.get("private") or {}
    keys = [public_half(key) for key in given.get("keys", [given])]
    return {"keys": [key | ({"key_ops": ["verify"]} if key.get("key_ops") == ["sign"] else {}) for key in keys]}


def is_verified(token: object, jwks: dict[str, Any]) -> bool:
    text = token if isinstance(token, str) else json.dumps(token)
    try:
        foreign.signed_by(text, jwks, algorithms=CLIENT_ALGORITHMS, types=ANY_TYPE)
    except InvalidTokenError:
        return False
    return True


def wycheproof(shared_vectors: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    document = read_json(shared_vectors / "jose/wycheproof" / f"{name}.json")
    cases = [(group, case) for group in document["testGroups"] for case in group["tests"]]
    assert len(cases) == document["numberOfTests"]
    yield from cases


def algorithm_of(token: object) -> str | None:
    try:
        return str(json.loads(decoded(str(token).split(".", maxsplit=1)[0]))["alg"])
    except (InvalidTokenError, KeyError, ValueError, TypeError):
        return None


@pytest.mark.parametrize(("name", "total", "verified"), [
    ("json_web_signature", 147, 9), ("json_web_key", 16, 0), ("json_web_crypto", 65, 1),
])
def test_wycheproof_jws(shared_vectors: Path, name: str, total: int, verified: int) -> None:
    """Valid ones of ES256, PS256, RS256 verify; invalid ones, other algorithms and every JWE do not."""
    seen: Counter[str] = Counter()
    for group, case in wycheproof(shared_vectors, name):
        token = case.get("jws", case.get("jwe"))
        is_ours = case["result"] == "valid" and algorithm_of(token) in CLIENT_ALGORITHMS
        assert is_verified(token, key_set(group)) is is_ours, (case["tcId"], case["comment"])
        seen["verified" if is_ours else "refused"] += 1

    assert seen == Counter({key: n for key, n in (("verified", verified), ("refused", total - verified)) if n})


def test_every_wycheproof_jwe_is_refused_by_the_door(shared_vectors: Path) -> None:
    """All 67, valid or not: encrypted tokens are not taken."""
    seen = 0
    for group, case in wycheproof(shared_vectors, "json_web_encryption"):
        assert not is_verified(case["jwe"], key_set(group))
        with pytest.raises(InvalidTokenError):
            foreign.peeked(case["jwe"] if isinstance(case["jwe"], str) else json.dumps(case["jwe"]))
        seen += 1
    assert seen == 67


def test_wycheproof_ecdsa_signatures_are_judged_as_published(shared_vectors: Path) -> None:
    """All 210 P-256 cases of the P1363 file."""
    seen = 0
    for group, case in wycheproof(shared_vectors, "ecdsa_secp256r1_sha256_p1363"):
        public = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), bytes.fromhex(group["publicKey"]["uncompressed"]))
        key = ECKey.import_key(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        holds = ALGORITHMS["ES256"].holds(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]), key)
        assert holds is (case["result"] == "valid"), case["tcId"]
        seen += 1
    assert seen == 210


def test_wycheproof_ed25519_signatures_are_judged_as_published(shared_vectors: Path) -> None:
    """All 90 cases."""
    seen = 0
    for group, case in wycheproof(shared_vectors, "ed25519"):
        x = encoded(bytes.fromhex(group["publicKey"]["pk"]))
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
        holds = ALGORITHMS["EdDSA"].holds(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]), key)
        assert holds is (case["result"] == "valid"), case["tcId"]
        seen += 1
    assert seen == 90


def test_rfc_8032_signatures_hold(shared_vectors: Path) -> None:
    """RFC 8032 section 7.1, and our own signature is the same: Ed25519 is deterministic."""
    cases = read_json(shared_vectors / "jose/rfc/rfc8032_ed25519.json")
    for case in cases:
        members: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "x": encoded(bytes.fromhex(case["public_hex"])),
                   "d": encoded(bytes.fromhex(case["secret_hex"]))}
        signature = ALGORITHMS["EdDSA"].sign(bytes.fromhex(case["message_hex"]), OKPKey.import_key(members))
        assert signature.hex() == case["signature_hex"]
    assert len(cases) == 3


def test_the_examples_of_the_rfcs(shared_vectors: Path) -> None:
    """RFC 7515 appendix A, RFC 8037 appendix A.4: ours verify; HS256 and unsecured do not."""
    cases = read_json(shared_vectors / "jose/rfc/jws_examples.json")
    outcome = {case["source"]: is_verified(case["jws"], {"keys": [public_half(case["jwk"])] if case["jwk"] else []})
               for case in cases}
    ours = {case["source"] for case in cases if case["ok"] and case["alg"] in CLIENT_ALGORITHMS}

    assert {source for source, holds in outcome.items() if holds} == ours
    assert (len(cases), len(ours)) == (4, 2)


def test_thumbprints(shared_vectors: Path) -> None:
    """RFC 7638 section 3.1, RFC 8037 appendix A.3, RFC 9449 section 6.1."""
    cases = read_json(shared_vectors / "jose/rfc/rfc7638_thumbprint.json")

    assert [foreign.thumbprint(case["jwk"]) for case in cases] == [case["thumbprint"] for case in cases]
    assert len(cases) == 3


def test_dpop_proofs(shared_vectors: Path) -> None:
    """RFC 9449 sections 4.1 and 7.1: both examples verify by the key they carry."""
    cases = read_json(shared_vectors / "jose/rfc/rfc9449_dpop.json")
    for case in cases:
        found = foreign.verified_by_own_key(case["proof"], algorithms=CLIENT_ALGORITHMS, types=frozenset({"dpop+jwt"}))
        assert (found.header, found.claims, found.jkt) == (case["header"], case["claims"], case["jkt"])
    assert len(cases) == 2


def test_pkce(shared_vectors: Path) -> None:
    """RFC 7636 appendix B."""
    case = read_json(shared_vectors / "jose/rfc/rfc7636_pkce.json")
    case = case[0] if isinstance(case, list) else case

    assert challenge_of(case["code_verifier"]) == case["code_challenge"]


COOKBOOK = {
    "jws/4_1.rsa_v15_signature.json": True,
    "jws/4_2.rsa-pss_signature.json": False,  # PS384
    "jws/4_3.ecdsa_signature.json": False,  # ES512
    "jws/4_4.hmac-sha2_integrity_protection.json": False,
    "jws/4_5.signature_with_detached_content.json": False,
    "jws/4_6.protecting_specific_header_fields.json": False,
    "jws/4_7.protecting_content_only.json": False,
    "jws/4_8.multiple_signatures.json": False,
    "curve25519/jws.json": True,
    "rfc7797/4.2.hmac-sha2_b64_false.json": False,
    "rfc7797/hmac-sha2_b64_false.json": False,
}


@pytest.mark.parametrize(("name", "holds"), COOKBOOK.items())
def test_cookbook_signatures(shared_vectors: Path, name: str, holds: bool) -> None:  # noqa: FBT001 - a column
    """RFC 7520 section 4, RFC 7797, RFC 8037: compact, attached, of our algorithms, or refused."""
    case = read_json(shared_vectors / "jose/cookbook" / name)
    keys = case["input"]["key"]
    jwks = {"keys": [public_half(key) for key in (keys if isinstance(keys, list) else [keys])]}
    outputs = case["output"]
    forms = [outputs[form] for form in ("compact", "json", "json_flat") if form in outputs]

    assert [is_verified(form, jwks) for form in forms] == [holds and form is outputs.get("compact") for form in forms]
    assert forms


def test_cookbook_encryptions_are_refused_by_the_door(shared_vectors: Path) -> None:
    """RFC 7520 sections 5 and 6, RFC 8037: all 15 files, in every form they are written in."""
    folder = shared_vectors / "jose/cookbook"
    files = [*sorted((folder / "jwe").iterdir()), folder / "curve25519/ecdh-es.json",
             folder / "6.nesting_signatures_and_encryption.json"]
    for file in files:
        text = file.read_text()
        compact = read_json(file).get("output", {}).get("compact")
        assert not is_verified(text, {"keys": []})
        assert compact is None or not is_verified(compact, {"keys": []})
    assert len(files) == 15


def is_usable(document: dict[str, Any]) -> bool:
    """Whether some algorithm verifies with this key."""
    for algorithm in ALGORITHMS.values():
        with suppress(UnfitKeyError):
            return bool(public_key(document, algorithm))
    return False


def test_cookbook_keys(shared_vectors: Path) -> None:
    """RFC 7520 section 3: the public RSA key is read; P-521, private and symmetric keys are no client's public key."""
    folder = shared_vectors / "jose/cookbook/jwk"
    read = {file.stem: is_usable(read_json(file)) for file in sorted(folder.iterdir())}

    assert [name for name, is_read in read.items() if is_read] == ["3_3.rsa_public_key"]
    assert len(read) == 6
