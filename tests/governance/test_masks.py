"""Laws of the masks."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.domain.errors import UnknownMaskError
from governance.domain.masks import MASKS, mask_named, strictest
from tests.governance.house import KEY

actions = st.sampled_from(sorted(MASKS))
values: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(), st.booleans(), st.dates(), st.binary(), st.lists(st.integers()),
)


@given(actions)
def test_null_stays_null_under_every_mask(action: str) -> None:
    assert MASKS[action].apply(None, KEY) is None


@given(actions, values)
def test_a_mask_never_fails_and_is_a_function(action: str, value: object) -> None:
    assert MASKS[action].apply(value, KEY) == MASKS[action].apply(value, KEY)


@given(st.text())
def test_alphanum_keeps_the_length_and_shows_no_letter_or_digit(text: str) -> None:
    hidden = MASKS["mask-alphanum"].apply(text, KEY)

    assert len(hidden) == len(text)
    assert set(hidden) <= set("nx(),.-@")


@given(st.text(min_size=1))
def test_show_last_4_shows_at_most_four_characters_and_never_the_whole(text: str) -> None:
    hidden = MASKS["show-last-4"].apply(text, KEY)

    head = len(text) - 4 if len(text) > 4 else len(text)
    assert hidden[head:] == text[head:]
    assert set(hidden[:head]) <= set("nx(),.-@")


@given(values, values)
def test_pseudonyms_are_equal_exactly_when_values_are(one: object, other: object) -> None:
    pseudonym = MASKS["sha-256-global"].apply

    same = type(one) is type(other) and str(one) == str(other)
    assert (pseudonym(one, KEY) == pseudonym(other, KEY)) is same


def test_a_pseudonym_needs_the_key_to_be_guessed() -> None:
    pseudonym = MASKS["sha-256-global"].apply

    assert pseudonym("C-1001", KEY) != pseudonym("C-1001", b"another key")


@pytest.mark.parametrize(("value", "month"), [
    ("2026-11-21T07:00:00Z", "2026-11-01"), ("2026-02-28", "2026-02-01"), ("2026-13-01", None), ("soon", None),
    (date(2026, 11, 21), date(2026, 11, 1)), (1_795_000_000, None),
    (datetime(2026, 11, 21, 7, 5, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
])
def test_truncate_to_month_tells_the_month_or_nothing(value: object, month: object) -> None:
    assert MASKS["truncate-to-month"].apply(value, KEY) == month


@given(st.lists(actions, min_size=1), st.randoms())
def test_the_strictest_of_several_does_not_depend_on_their_order(several: list[str], chance: Any) -> None:
    shuffled = list(several)
    chance.shuffle(shuffled)

    assert strictest(*several) == strictest(*shuffled)
    assert MASKS[strictest(*several)].strictness == max(MASKS[action].strictness for action in several)


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(UnknownMaskError, match="apply-expression"):
        mask_named("apply-expression")
