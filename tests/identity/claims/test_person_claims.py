"""The standard claims of OpenID Connect Core 5.1, by scope (5.4) and by name (5.5)."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.claims import (
    CLAIMS_OF_SCOPES,
    asks_about_person,
    is_essential,
    person_claims,
    requested_claims,
)
from tests.identity.claims.people import ALICE

NOBODY_ASKED: dict[str, Any] = {}


def test_every_scope_has_the_claims_of_core_5_4() -> None:
    told = person_claims(ALICE, frozenset(CLAIMS_OF_SCOPES), NOBODY_ASKED)

    assert set(told) == {
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "address",
        "phone_number", "phone_number_verified"}


def test_updated_at_is_a_number_of_seconds() -> None:
    assert person_claims(ALICE, frozenset({"profile"}), NOBODY_ASKED)["updated_at"] == 1_700_000_000


def test_email_verified_is_a_boolean() -> None:
    assert person_claims(ALICE, frozenset({"email"}), NOBODY_ASKED) == {
        "email": "alice@example.com", "email_verified": True}


def test_an_address_has_only_its_standard_parts() -> None:
    told = person_claims(ALICE, frozenset({"address"}), NOBODY_ASKED)

    assert set(told["address"]) == {"formatted", "street_address", "locality", "country"}


def test_a_person_who_told_nothing_has_no_empty_claims() -> None:
    silent = replace(ALICE, email=None, profile={})

    told = person_claims(silent, frozenset(CLAIMS_OF_SCOPES), NOBODY_ASKED)

    assert told == {"name": "alice", "preferred_username": "alice", "updated_at": 1_700_000_000}


def test_a_name_is_what_the_person_goes_by_else_given_and_family_name() -> None:
    named = replace(ALICE, profile={**ALICE.profile, "name": "Lady A"})

    assert person_claims(ALICE, frozenset({"profile"}), NOBODY_ASKED)["name"] == "Alice Doe"
    assert person_claims(named, frozenset({"profile"}), NOBODY_ASKED)["name"] == "Lady A"


def test_other_scopes_tell_nothing_of_the_person() -> None:
    assert person_claims(ALICE, frozenset({"openid", "api", "offline_access", "ssf.read"}), NOBODY_ASKED) == {}


def test_a_claim_is_told_by_name_without_its_scope() -> None:
    asked = {"userinfo": {"email": None, "phone_number": {"essential": True}}}

    told = person_claims(ALICE, frozenset({"openid"}), asked)

    assert told == {"email": "alice@example.com", "phone_number": "+355 4 222 3333"}


def test_what_is_asked_for_the_id_token_is_not_told_by_userinfo() -> None:
    asked = {"id_token": {"email": None}}

    assert person_claims(ALICE, frozenset({"openid"}), asked) == {}
    assert requested_claims(ALICE, asked, "id_token") == {"email": "alice@example.com"}


def test_a_claim_asked_for_with_another_value_is_left_out() -> None:
    asked = {"userinfo": {"email": {"value": "mallory@example.com"}, "locale": {"values": ["en", "sq-AL"]},
                          "gender": {"values": ["male"]}, "nickname": {"value": "Al"}}}

    assert person_claims(ALICE, frozenset(), asked) == {"locale": "sq-AL", "nickname": "Al"}


def test_unknown_claims_and_what_is_not_standard_are_never_told() -> None:
    asked = {"userinfo": {"shoe_size": None, "password_hash": {"essential": True}, "roles": None, "name#sq": None}}

    assert person_claims(ALICE, frozenset(), asked) == {}
    assert not asks_about_person(asked, "userinfo")


def test_essential_is_only_true_itself() -> None:
    asked = {"id_token": {"auth_time": {"essential": True}, "acr": {"essential": "true"}, "email": None}}

    assert [is_essential(asked, "id_token", name) for name in ("auth_time", "acr", "email", "sub")] == [
        True, False, False, False]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)


@given(st.dictionaries(st.sampled_from(["userinfo", "id_token", "x"]), json_values
                       | st.dictionaries(st.sampled_from(["email", "name", "address", "sub"]), json_values)))
def test_no_claims_parameter_makes_more_told_than_the_person_has(asked: dict[str, Any]) -> None:
    everything = person_claims(ALICE, frozenset(CLAIMS_OF_SCOPES), {})

    told = person_claims(ALICE, frozenset(), asked)

    assert told.items() <= everything.items() or all(everything[name] == value for name, value in told.items())


@given(st.dictionaries(st.sampled_from(list(ALICE.profile)), json_values))
def test_whatever_stands_in_a_profile_only_texts_are_told(profile: dict[str, Any]) -> None:
    told = person_claims(replace(ALICE, profile=profile), frozenset(CLAIMS_OF_SCOPES), {})

    assert all(isinstance(told[name], str) and told[name] for name in profile
               if name in told and name not in {"address", "phone_number_verified"})
