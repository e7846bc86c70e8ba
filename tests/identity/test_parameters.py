"""Parameters are read as the standard library reads forms, also by the short way for text without any encoding."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.parameters import MAX_FIELDS, read_pairs
from shared_kernel.errors import InvalidInputError


@given(st.text(alphabet="ab=&:/.~-_%+ é\0", max_size=30))
def test_whatever_stands_there_is_read_as_parse_qsl_reads_it(text: str) -> None:
    assert _read(text) == _theirs(text)


@pytest.mark.parametrize("separator", ["&", "&%61="])
def test_too_many_fields_are_refused_encoded_or_not(separator: str) -> None:
    assert len(read_pairs("a=1" + f"{separator}b" * (MAX_FIELDS - 1))) == MAX_FIELDS
    with pytest.raises(InvalidInputError, match="too many"):
        read_pairs("a=1" + f"{separator}b" * MAX_FIELDS)


def _read(text: str) -> list[tuple[str, str]] | None:
    try:
        return read_pairs(text)
    except InvalidInputError:
        return None


def _theirs(text: str) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
