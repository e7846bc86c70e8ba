"""The examples of the specifications (openid/sharedsignals), counted: we read theirs, and ours have their form."""

import json
from pathlib import Path
from typing import Any

import pytest

from identity.domain.signals.events import (
    CREDENTIAL_CHANGE,
    SESSION_REVOKED,
    STREAM_UPDATED,
    SUPPORTED,
    TOKEN_CLAIMS_CHANGE,
    VERIFICATION,
    Change,
    Credential,
    Initiator,
    credential_changed,
    roles_changed,
    session_revoked,
)
from identity.domain.signals.subjects import digest_of, well_formed_subject
from identity.domain.signals.tokens import set_claims
from identity.domain.signals.transmitter import transmitter_metadata
from shared_kernel.errors import InvalidInputError

ISSUER = "https://idp.example.com/123456789/"
OURS = {SESSION_REVOKED, CREDENTIAL_CHANGE, TOKEN_CLAIMS_CHANGE, VERIFICATION, STREAM_UPDATED}


def cases(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the cases of a file."""
    found: list[dict[str, Any]] = json.loads((folder / "caep" / name).read_text())
    return found


def bodies(folder: Path) -> list[tuple[str, dict[str, Any] | list[Any]]]:
    """Return first line and JSON body of every exchange that has one."""
    split = (case["text"].partition("\n\n") for case in cases(folder, "http_examples.json"))
    return [(head.splitlines()[0], json.loads(body)) for head, _, body in split if body.strip()]


def test_all_subjects_of_the_22_tokens_are_well_formed(shared_vectors: Path) -> None:
    tokens = [case["json"] for case in cases(shared_vectors, "sets.json")]

    read = [well_formed_subject(token["sub_id"]) for token in tokens]

    assert len(read) == 22
    assert [token["sub_id"] for token in tokens] == read
    assert all(len(digest_of(subject, ISSUER)) == 32 for subject in read)


def test_the_9_subjects_among_the_15_fragments_are_well_formed_and_distinct(shared_vectors: Path) -> None:
    fragments = [case["json"] for case in cases(shared_vectors, "fragments.json")]
    subjects = [each for each in fragments if "format" in each]

    digests = {digest_of(well_formed_subject(subject), ISSUER) for subject in subjects}

    assert (len(fragments), len(subjects), len(digests)) == (15, 9, 9)


def test_our_tokens_have_the_members_of_the_examples(shared_vectors: Path) -> None:
    examples = [case["json"] for case in cases(shared_vectors, "sets.json")]
    ours = set_claims(issuer=ISSUER, audience=("rp",), token_id="j", issued_at_s=1, subject={"format": "opaque"},
                      kind=VERIFICATION, event={}, txn="t")

    compared = [example for example in examples if len(example["events"]) == 1]

    assert len(compared) == 22
    assert all(example.keys() <= ours.keys() for example in compared)


def test_our_events_have_the_members_the_examples_have_and_more(shared_vectors: Path) -> None:
    ours = {
        SESSION_REVOKED: session_revoked("r", Initiator.POLICY),
        CREDENTIAL_CHANGE: credential_changed(Credential.SECURITY_KEY, Change.CREATE, Initiator.USER, name="n",
                                              aaguid="a"),
        TOKEN_CLAIMS_CHANGE: roles_changed(frozenset({"ro-admin"}), Initiator.POLICY),
    }
    examples = [event for case in cases(shared_vectors, "sets.json") for event in case["json"]["events"].items()]
    compared = [(kind, body) for kind, body in examples if kind in ours]

    missing = {name for kind, body in compared for name in body.keys() - ours[kind].to_event(1_000_000).keys()}

    assert len(compared) == 11
    assert missing == {"reason_user"}
    assert len([kind for kind, _ in examples if kind in OURS]) == 14


def test_our_metadata_has_the_members_of_the_example(shared_vectors: Path) -> None:
    [example] = [body for line, body in bodies(shared_vectors)
                 if isinstance(body, dict) and "configuration_endpoint" in body]

    assert example.keys() == transmitter_metadata("https://tr.example.com").keys()


def test_the_28_exchanges_are_all_here(shared_vectors: Path) -> None:
    assert len(cases(shared_vectors, "http_examples.json")) == 28
    assert len(bodies(shared_vectors)) == 17


def test_subjects_of_the_exchanges_are_read_but_for_the_one_without_a_known_format(shared_vectors: Path) -> None:
    subjects = [body["subject"] for _, body in bodies(shared_vectors) if isinstance(body, dict) and "subject" in body]

    assert [well_formed_subject(subject)["format"] for subject in subjects] == ["email", "phone"]


@pytest.mark.parametrize("subject", [
    None, [], "alice", {}, {"format": 1}, {"format": "email"}, {"format": "email", "email": ""},
    {"format": "iss_sub", "sub": "x"}, {"format": "iss_sub", "iss": ["a"], "sub": "x"},
    {"format": "opaque", "id": "x" * 513}, {"format": "complex"}, {"format": "complex", "user": "alice"},
    {"format": "complex", "somebody": {"format": "opaque", "id": "x"}},
    {"format": "complex", "user": {"format": "complex", "user": {"format": "opaque", "id": "x"}}},
    {"format": "aliases", "identifiers": []}, {"format": "aliases"},
    {"format": "ip-addresses"}, {"format": "ip-addresses", "ip-addresses": [1]},
    {"format": "unheard-of", "x": "y" * 5_000},
])
def test_what_is_no_subject_is_refused(subject: object) -> None:
    """RFC 9493 section 3: every format has its members."""
    with pytest.raises(InvalidInputError):
        well_formed_subject(subject)


def test_a_person_is_the_same_by_any_spelling_of_the_address() -> None:
    one, other = ({"format": "email", "email": text} for text in ("A@B.c", "a@b.C"))

    assert digest_of(one, ISSUER) == digest_of(other, ISSUER)
    assert digest_of({"format": "complex", "user": one}, ISSUER) == digest_of(other, ISSUER)


def test_the_supported_events_are_those_of_caep() -> None:
    assert all(kind.startswith("https://schemas.openid.net/secevent/caep/event-type/") for kind in SUPPORTED)
