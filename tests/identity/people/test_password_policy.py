"""What a password must be, and how fast that is known."""

import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.adapters.common_passwords import CommonPasswords
from identity.domain.people.password_policy import Fault, UnfitPasswordError, require_fit
from shared_kernel.ids import secret
from tests.identity.people.town import Town
from tests.identity.world import PASSWORD

COMMON = CommonPasswords()


def _fault(password: str, *known: str) -> Fault | None:
    try:
        require_fit(password, common=COMMON, known=known)
    except UnfitPasswordError as error:
        return error.fault
    return None


def test_the_list_has_40101_passwords() -> None:
    assert len(COMMON) == 40_101


def test_every_entry_of_both_lists_is_known_whatever_its_case(shared_vectors: object) -> None:
    folder = shared_vectors / "breach"  # type: ignore[operator]
    listed = {line for name in ("zxcvbn_passwords.txt", "django_common_passwords.txt")
              for line in (folder / name).read_text("utf-8").splitlines()}
    sample = sorted(listed)[::40]

    assert all(password in COMMON and password.upper() in COMMON for password in sample)


def test_what_is_not_a_whole_entry_is_not_common() -> None:
    assert "correct horse battery staple" not in COMMON
    assert "passwor" + "d" * 9 not in COMMON
    assert "" not in COMMON
    assert 7 not in COMMON


def test_the_list_takes_little_memory() -> None:
    fresh, before = CommonPasswords(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert "password" in fresh
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_192


@pytest.mark.parametrize(("password", "fault"), [
    ("elevenchars", Fault.SHORT), ("", Fault.SHORT), ("x" * 1_025, Fault.LONG), ("\u00fc" * 513, Fault.LONG),
    ("1234567890987654321", Fault.COMMON), ("PassWord1234", Fault.COMMON), ("aaaaaaaaaaaaaaaa", Fault.GUESSABLE),
    ("alicealicealice", Fault.GUESSABLE), ("Gridwarden!2026", Fault.GUESSABLE), ("qwertyuiop[]12", Fault.GUESSABLE),
    (PASSWORD, None), ("k\u00ebmb\u00eb gur lum\u00eb qiell", None),
])
def test_a_password_is_judged(password: str, fault: Fault | None) -> None:
    assert _fault(password, "alice", "alice@grid.test") == fault


def test_there_is_no_rule_of_composition() -> None:
    """NIST SP 800-63B section 3.1.1.2: verifiers shall not impose composition rules."""
    assert _fault("lampkettleorchidquarry") is None
    assert _fault("7392 5518 0463 9127") is None


def test_a_random_secret_is_fit() -> None:
    assert {_fault(secret(), "admin") for _ in range(50)} == {None}


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=1_200))
def test_any_text_is_judged_and_fast(password: str) -> None:
    start = time.thread_time()
    _fault(password, password[:30])

    assert time.thread_time() - start < 5


@pytest.mark.parametrize("hostile", ["a" * 1_024, "qwerty" * 170, "1aA!" * 256, "()" * 512, "\u0130" * 500])
def test_a_hostile_password_costs_little(hostile: str) -> None:
    start = time.thread_time()
    _fault(hostile, *["a" * 1_000] * 8)

    assert time.thread_time() - start < 5


async def test_every_way_to_set_a_password_holds_to_the_policy(town: Town) -> None:
    with pytest.raises(UnfitPasswordError):
        await town.provider.create_user("bob", "password1234", roles=frozenset())
    async with town.browser() as browser:
        answer = await browser.post("/api/v1/users", json={"name": "bob", "password": "password1234"})

    assert answer.status_code == 422
    assert "tried first" in answer.text
