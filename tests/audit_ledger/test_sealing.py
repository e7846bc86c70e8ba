"""Sealed fields: exactly what was put in comes out, under the one key, in the one event; and what is lost says why."""

import os
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.errors import RefusedEventError
from audit_ledger.domain.privacy.personal import ERASED, PATHS, shares_of
from audit_ledger.domain.privacy.sealing import (
    DAMAGED,
    UNKNOWN,
    Erased,
    Fact,
    KeyEncryptionKey,
    SubjectKey,
    Unreadable,
    commitment_of,
    commitments_in,
    opened,
    sealed,
)

ADA, BOB = SubjectKey.of(bytes(range(32))), SubjectKey.of(bytes(range(1, 33)))
KEYS = {"ada": ADA, "bob": BOB}
FACTS: dict[str, Fact] = {key.commitment: key for key in KEYS.values()}

words = st.text(st.characters(codec="ascii"), max_size=12)
jsons = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | words, lambda inner: (
    st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2)), max_leaves=4)
secrets = st.from_regex(r"\Asecret-[a-z]{8}\Z")
people = st.fixed_dictionaries(
    {"id": st.sampled_from(sorted(KEYS))},
    optional={"name": secrets, "email": secrets, "full_name": secrets, "roles": st.lists(words, max_size=2)})
events = st.fixed_dictionaries({}, optional={
    "event": st.fixed_dictionaries({"action": words}, optional={"id": words}),
    "user": st.builds(lambda who, target: {**who, **target}, people, st.just({}) | people.map(lambda p: {"target": p})),
    "source": st.fixed_dictionaries({}, optional={"ip": secrets, "geo": jsons, "port": st.integers(0, 9)}),
    "client": jsons, "user_agent": st.fixed_dictionaries({}, optional={"original": secrets, "name": words}),
    "grid": st.dictionaries(words.filter(lambda name: name != "sealed"), jsons, min_size=1, max_size=3),
})


def event(**sections: Any) -> dict[str, Any]:
    return {"event": {"id": "e-1", "action": "user_login"}, "user": {"id": "ada", "name": "Ada L."},
            "source": {"ip": "192.0.2.7", "port": 9}, "user_agent": {"original": "Mozilla/5.0"}} | sections


def boxed(found: dict[str, Any]) -> dict[str, Any]:
    """Seal as FieldSealer does."""
    shares = shares_of(found)
    return sealed(found, [(share, KEYS[share.subject], os.urandom(12)) for share in shares]) if shares else found


@given(events)
@example(event(user={"id": "ada", "name": "secret-aaaaaaaa", "target": {"id": "ada", "name": "secret-bbbbbbbb"}}))
def test_what_is_opened_is_what_was_sealed(given_event: dict[str, Any]) -> None:
    before = orjson.dumps(given_event)

    closed = boxed(given_event)

    assert opened(closed, FACTS) == given_event
    assert opened(orjson.loads(payload_of(closed)), FACTS) == given_event
    assert orjson.dumps(given_event) == before


@given(events)
def test_no_sealed_value_stays_readable(given_event: dict[str, Any]) -> None:
    payload = payload_of(boxed(given_event))

    plain = {path: PATHS[path] for share in shares_of(given_event) for path in share.fields}
    for steps in plain.values():
        value: Any = given_event
        for step in steps:
            value = value[step]
        if isinstance(value, str) and value.startswith("secret-"):
            assert value.encode() not in payload


def test_the_handle_and_the_columns_stay() -> None:
    closed = boxed(event())

    assert closed["user"] == {"id": "ada"}
    assert (columns_of(closed).subject, columns_of(closed).sealed_key) == ("ada", ADA.commitment)
    assert closed["grid"]["sealed"]["fields"] == ["user.name", "source.ip", "user_agent.original"]


def test_a_commitment_is_the_formula_s() -> None:
    assert commitment_of(bytes(32)) == "EpqEpUBjstxu2PPYx85okCeOEiRmxy13y3MhnBV7myo"


def test_an_erased_field_says_so_and_nothing_else_does() -> None:
    found = opened(boxed(event()), {ADA.commitment: Erased(1_795_000_000_000_000)})

    assert found == {
        "event": {"id": "e-1", "action": "user_login"}, "user": {"id": "ada", "name": ERASED}, "source": {"port": 9},
        "user_agent": {"original": ERASED},
        "grid": {"sealed": {"key": ADA.commitment, "fields": ["user.name", "source.ip", "user_agent.original"],
                            "erased_at": "2026-11-18T11:06:40.000000Z"}}}


@pytest.mark.parametrize("fact", [UNKNOWN, Unreadable("why ever")])
def test_a_key_that_is_missing_says_that(fact: Unreadable) -> None:
    found = opened(boxed(event()), {ADA.commitment: fact} if fact is not UNKNOWN else {})

    assert (found["user"], found["source"]) == ({"id": "ada"}, {"port": 9})
    assert found["grid"]["sealed"]["unreadable"] == fact.why
    assert ERASED not in str(found)
    assert "erased_at" not in found["grid"]["sealed"]


def test_whom_the_event_is_about_has_a_box_of_their_own() -> None:
    about = event(user={"id": "ada", "name": "Ada L.", "target": {"id": "bob", "name": "Bob"}})
    closed = boxed(about)

    without_bob = opened(closed, {**FACTS, BOB.commitment: Erased(0)})

    assert commitments_in(closed) == [ADA.commitment, BOB.commitment]
    assert without_bob["user"] == {"id": "ada", "name": "Ada L.", "target": {"id": "bob", "name": ERASED}}
    assert without_bob["grid"]["sealed"]["others"][0]["erased_at"].startswith("1970")
    assert "key" not in without_bob["grid"]["sealed"]


def test_whom_the_event_is_about_is_no_column() -> None:
    closed = boxed({"user": {"target": {"id": "bob", "name": "Bob"}}})

    assert columns_of(closed).sealed_key is None
    assert commitments_in(closed) == [BOB.commitment]
    assert opened(closed, FACTS) == {"user": {"target": {"id": "bob", "name": "Bob"}}}


def test_a_box_opens_in_no_other_event() -> None:
    closed = boxed(event())

    moved = opened({**closed, "event": {"id": "e-2"}}, FACTS)

    assert moved["grid"]["sealed"]["unreadable"] == DAMAGED.why


def test_no_single_bit_of_a_box_may_change() -> None:
    closed = boxed(event())
    note = closed["grid"]["sealed"]
    box = note["box"]

    for at in range(len(box)):
        for bit in range(7):
            flipped = box[:at] + chr(ord(box[at]) ^ 1 << bit) + box[at + 1:]
            found = opened({**closed, "grid": {"sealed": {**note, "box": flipped}}}, FACTS)
            assert found["grid"]["sealed"]["unreadable"] == DAMAGED.why


@pytest.mark.parametrize("change", [
    {"fields": ["user.name"]}, {"fields": ["user.name", "source.ip", "user_agent.original", "user.id"]},
    {"fields": "user.name"}, {"fields": None}, {"box": None}, {"box": ""}, {"box": "AAAA"}, {"box": "*"}, {"box": 7},
    {"key": 7}, {"key": BOB.commitment}, {"key": None},
])
def test_what_surrounds_a_box_may_not_change(change: dict[str, Any]) -> None:
    closed = boxed(event())

    found = opened({**closed, "grid": {"sealed": closed["grid"]["sealed"] | change}}, FACTS)

    assert found["grid"]["sealed"]["unreadable"] == DAMAGED.why
    assert "name" not in found["user"]


@given(jsons | st.fixed_dictionaries({}, optional={
    "key": st.just(ADA.commitment) | jsons, "fields": st.lists(st.sampled_from(["user.name", "event.action", "x"])),
    "box": words, "erased_at": words, "others": st.lists(jsons) | jsons}))
def test_no_damage_makes_a_reader_fail_or_claim_an_erasure(section: Any) -> None:
    found = opened(event(grid={"sealed": section}), FACTS)

    assert found["user"] == {"id": "ada", "name": "Ada L."}
    assert "erased_at" not in str(found)
    assert "unreadable" in str(found["grid"]["sealed"])


def test_a_value_that_was_put_back_in_plain_is_damage() -> None:
    closed = boxed(event())

    found = opened({**closed, "user": {"id": "ada", "name": "Mallory"}}, FACTS)

    assert found["grid"]["sealed"]["unreadable"] == DAMAGED.why


@pytest.mark.parametrize(("sections", "where"), [
    ({"grid": {"sealed": {"erased_at": "2026"}}}, "grid.sealed"), ({"grid": {}}, "grid"), ({"grid": "x"}, "grid"),
    ({"user": {"id": "ada", "name": "e\u0301"}}, "user.name"), ({"source": {"geo": {"lat": 1.5}}}, "source.geo.lat"),
    ({"user": {"id": "ada", "name": "\ud800"}}, ""),
])
def test_the_door_is_the_same_for_sealed_values(sections: dict[str, Any], where: str) -> None:
    with pytest.raises(RefusedEventError) as refused:
        boxed(event(**sections))

    assert refused.value.where == where


@pytest.mark.parametrize("found", [
    {}, {"user": {"name": "Ada"}}, {"user": "ada"}, {"user": {"id": 7, "name": "Ada"}},
    {"user": {"id": "", "name": ""}}, {"user": {"id": "ada", "roles": []}, "source": "192.0.2.7"},
    {"source": {"ip": "192.0.2.7"}},
])
def test_without_a_subject_or_a_personal_field_there_is_nothing_to_seal(found: dict[str, Any]) -> None:
    assert shares_of(found) == []


def test_a_wrapped_key_opens_only_under_its_wrapping_key_and_its_name() -> None:
    kek, secret = KeyEncryptionKey(bytes(32)), bytes(range(32))
    wrapped = kek.wrap(secret)

    found = kek.unwrap(wrapped, ADA.commitment)
    assert isinstance(found, SubjectKey)
    assert opened(boxed(event()), {ADA.commitment: found}) == event()
    assert isinstance(kek.unwrap(wrapped, BOB.commitment), Unreadable)
    assert isinstance(KeyEncryptionKey(b"x" * 32).unwrap(wrapped, ADA.commitment), Unreadable)
    for damaged in (b"", wrapped[:-1], wrapped + b"x", wrapped[:-1] + bytes((wrapped[-1] ^ 1,)), kek.wrap(bytes(16))):
        assert isinstance(kek.unwrap(damaged, ADA.commitment), Unreadable)
