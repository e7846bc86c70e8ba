"""Two spellings of one place (RFC 3986 sections 6.2.2 and 6.2.3), and what only looks alike."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.target_uris import is_same_target

OWN = "https://id.grid.test/oauth2/token"


@pytest.mark.parametrize("claimed", [
    OWN, "HTTPS://ID.GRID.TEST/oauth2/token", "https://id.grid.test:443/oauth2/token",
    "https://id.grid.test:/oauth2/token", f"{OWN}?a=b", f"{OWN}#f", f"{OWN}?a=b#f", "https://id.grid.test/%6Fauth2/token",
    "https://id.grid.test/oauth2/%74oken", "https://id.grid.test/x/../oauth2/./token"])
def test_one_place_has_many_spellings(claimed: str) -> None:
    assert is_same_target(claimed, OWN)


@pytest.mark.parametrize("claimed", [
    "https://id.grid.test/oauth2/token/", "https://id.grid.test/oauth2//token", "https://id.grid.test/oauth2/Token",
    "http://id.grid.test/oauth2/token", "https://id.grid.test:8443/oauth2/token", "https://id.grid.test./oauth2/token",
    "https://id.grid.test:0443/oauth2/token", "https://user@id.grid.test/oauth2/token", "//id.grid.test/oauth2/token",
    "https://id.grid.test/oauth2%2Ftoken", "https://id.grid.test/oauth2%2ftoken", "https://id.grid.test/oauth2/token%3Fa",
    "https://id.grid.test/oauth2/token%00", "https://id.grid.test/oauth2/token%", "https://id.grid.test/oauth2\\token",
    "https://id.grid.test/oauth2/token ", " https://id.grid.test/oauth2/token", "https://\u0456d.grid.test/oauth2/token",
    "https://id.grid.test/oauth2/token\n", "https://id.grid.test%2Eevil.test/oauth2/token", "urn:x", "",
    "/oauth2/token", "https:///oauth2/token", "https://[::1/oauth2/token", "ftp://id.grid.test/oauth2/token",
    "https://id.grid.test/oauth2/token/..", "https://id.grid.test/oauth2/%F0token", None, 7, True, ["x"], {}])
def test_what_only_looks_alike_is_another_place(claimed: object) -> None:
    assert not is_same_target(claimed, OWN)


def test_a_path_we_decoded_is_recognised_as_it_was_sent() -> None:
    own = "https://id.grid.test/api/v1/meters/Zürich 7"

    assert is_same_target("https://id.grid.test/api/v1/meters/Z%C3%BCrich%207", own)
    assert is_same_target("https://id.grid.test/api/v1/meters/Z%c3%bcrich%207", own)
    assert not is_same_target("https://id.grid.test/api/v1/meters/Zürich%207", own)


@pytest.mark.parametrize(("claimed", "own"), [
    ("https://[2001:DB8::1]/a", "https://[2001:db8::1]:443/a"), ("http://127.0.0.1:80/", "http://127.0.0.1"),
    ("https://h/a/../../b", "https://h/b"), ("https://h", "https://h/"), ("https://h?x", "https://h/")])
def test_ports_dots_and_empty_paths_are_normalised(claimed: str, own: str) -> None:
    assert is_same_target(claimed, own)


SEGMENTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/?#%\\"), min_size=1).filter(
    lambda text: text not in {".", ".."}), min_size=1, max_size=4)


@given(segments=SEGMENTS)
def test_an_encoded_path_names_the_decoded_one(segments: list[str]) -> None:
    own = "https://h/" + "/".join(segments)

    assert is_same_target("https://h/" + "/".join(quote(each, safe="") for each in segments), own)


@given(first=SEGMENTS, second=SEGMENTS)
def test_two_paths_are_one_place_only_if_they_are_equal(first: list[str], second: list[str]) -> None:
    claimed, own = ("https://h/" + "/".join(quote(each, safe="") for each in path) for path in (first, second))

    assert is_same_target(claimed, own) == (first == second)


@given(claimed=st.one_of(st.text(max_size=80), st.integers(), st.none()))
def test_anything_may_be_claimed(claimed: object) -> None:
    assert is_same_target(claimed, OWN) in {True, False}
