"""Classes of assurance, codes, journeys: the arithmetic of the door."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.people import recovery_codes, totp
from identity.domain.people.assurance import ACR_VALUES, acr_of, meets, methods
from identity.domain.people.challenges import Ceremony, is_ours, new_challenge
from identity.domain.people.login_policy import REFUSED_RISK, Assessment
from identity.domain.people.sealed_secrets import UnreadableSecretError, derived_key, opened, sealed
from identity.domain.people.travel import Place, distance_km, is_impossible

PASSWORD, MFA, PHR = ACR_VALUES
KEY = derived_key(b"k" * 32, "tests")


def test_totp_agrees_with_the_rfc(shared_vectors: Path) -> None:
    """RFC 6238 appendix B: 18 values, three hash functions."""
    values = json.loads((shared_vectors / "jose/rfc/rfc6238_totp.json").read_text())["values"]

    for value in values:
        code = totp.code_at(value["secret_ascii"].encode(), value["time"] // value["step"], digits=value["digits"],
                            algorithm=value["algorithm"].lower())
        assert code == value["otp"]
    assert len(values) == 18


def test_hotp_agrees_with_the_rfc(shared_vectors: Path) -> None:
    """RFC 4226 appendix D: 10 values."""
    document = json.loads((shared_vectors / "jose/rfc/rfc4226_hotp.json").read_text())
    values = document["values"]

    for value in values:
        secret = value.get("secret_ascii", document.get("secret_ascii", "12345678901234567890")).encode()
        assert totp.code_at(secret, value.get("counter", value.get("count"))) == value.get("hotp", value.get("otp"))
    assert len(values) == 10


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**40), st.integers(-3, 3), st.integers(-3, 3))
def test_a_code_is_good_near_its_step_and_after_the_last_one(secret: bytes, now: int, off: int, last: int) -> None:
    step = max(0, now + off)
    found = totp.step_of(secret, totp.code_at(secret, step), now_s=now * 30, last_step=max(0, now + last))

    assert found is None or (abs(found - now) <= 1 and found > max(0, now + last))
    if abs(step - now) <= 1 and step > max(0, now + last):
        assert found is not None


@pytest.mark.parametrize(("amr", "acr"), [
    ((), PASSWORD), (("pwd",), PASSWORD), (("otp", "pwd"), PASSWORD), (("mfa", "otp", "pwd"), MFA),
    (("pop", "user"), PASSWORD), (("mfa", "pop", "user"), PHR), (("hwk", "mfa", "pop", "pwd", "user"), PHR),
])
def test_methods_amount_to_a_class(amr: tuple[str, ...], acr: str) -> None:
    assert acr_of(amr) == acr


@pytest.mark.parametrize(("acr", "wanted", "is_met"), [
    (PASSWORD, (), True), (None, (), True), (PASSWORD, (PASSWORD,), True), (PASSWORD, (MFA,), False),
    (MFA, (PASSWORD,), True), (PHR, (MFA,), True), (MFA, (PHR,), False), (MFA, (PHR, MFA), True),
    (None, (PASSWORD,), True), (PHR, ("urn:somebody:else",), False), (MFA, ("urn:somebody:else", MFA), True),
])
def test_a_class_meets_a_wish_or_not(acr: str | None, wanted: tuple[str, ...], is_met: bool) -> None:  # noqa: FBT001 - a table
    assert meets(acr, wanted) is is_met


def test_methods_are_told_once_and_in_order() -> None:
    assert methods(("pwd",), ("otp", "mfa"), ("pwd",)) == ("mfa", "otp", "pwd")


@given(st.integers(0, 100), st.booleans(), st.booleans(), st.booleans())
def test_only_the_model_refuses_and_nothing_lowers_its_word(risk: int, known: bool, first: bool, far: bool) -> None:  # noqa: FBT001 - a law
    found = Assessment(model_risk=risk, is_known_device=known, is_first=first, is_impossible_travel=far,
                       has_factor=True, is_more_wanted=False)

    assert found.is_refused is (risk >= REFUSED_RISK)
    assert found.risk >= risk
    assert known or found.reasons_to_step_up


@given(st.binary(max_size=40))
def test_a_sealed_secret_opens_for_its_owner_only(secret: bytes) -> None:
    stored = sealed(secret, key=KEY, owner="alice/1")

    assert opened(stored, key=KEY, owner="alice/1") == secret
    for broken, key, owner in ((stored, KEY, "bob/1"), (stored, derived_key(b"x" * 32, "tests"), "alice/1"),
                               (stored[:-1], KEY, "alice/1"), (b"", KEY, "alice/1")):
        with pytest.raises(UnreadableSecretError):
            opened(broken, key=key, owner=owner)


@pytest.mark.parametrize("changes", [
    {"ceremony": Ceremony.ENROL}, {"browser": "other"}, {"browser": ""}, {"user_id": "u"}, {"now_s": 1_601},
    {"now_s": 999}, {"key": b"other"},
])
def test_a_challenge_is_bound(changes: dict[str, object]) -> None:
    bound: dict[str, object] = {"ceremony": Ceremony.SIGN_IN, "key": KEY, "browser": "b", "user_id": "", "now_s": 1_000}
    challenge = new_challenge(**bound)  # type: ignore[arg-type]

    assert is_ours(challenge, **bound)  # type: ignore[arg-type]
    assert not is_ours(challenge, **bound | changes)  # type: ignore[arg-type]
    assert not is_ours(challenge[:-1], **bound)  # type: ignore[arg-type]


def test_recovery_codes_are_typed_as_people_type() -> None:
    code = recovery_codes.new_codes()[0]

    assert recovery_codes.is_code(code.upper().replace("-", "  "))
    assert recovery_codes.digest("u", code) == recovery_codes.digest("u", code.upper().replace("-", " "))
    assert recovery_codes.digest("u", code) != recovery_codes.digest("v", code)
    assert not recovery_codes.is_code("123456")


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_a_distance_is_the_same_both_ways_and_never_more_than_half_around(a: float, b: float, c: float,
                                                                            d: float) -> None:
    one, other = Place(a, b), Place(c, d)

    assert distance_km(one, other) == pytest.approx(distance_km(other, one), abs=1e-3)
    assert 0 <= distance_km(one, other) <= 20_016
    assert not is_impossible(one, 0, None, 1)


def test_a_clock_that_went_back_makes_a_far_journey_impossible() -> None:
    assert is_impossible(Place(0, 0), 10, Place(0, 90), 5)
