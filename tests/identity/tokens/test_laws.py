"""Laws of what is asked, granted and passed on: nothing ever grows on its way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.access_tokens import AccessToken
from identity.domain.oauth.audiences import is_concerned
from identity.domain.oauth.binding import UNBOUND
from identity.domain.oauth.device import MAX_TRIES_OF_ADDRESS, new_user_code, read_user_code, shown
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.token_exchange import MAX_ACTORS, actor_of, audiences_of, scopes_of
from identity.domain.oauth.token_requests import narrowed, read_token_parameters
from identity.domain.records import Client, ClientSettings, GrantState

WORDS = st.sampled_from(["api", "read", "write", "openid", "profile", "offline_access"])
SCOPES = st.frozensets(WORDS)
PLACES = st.lists(st.sampled_from(["https://a.test", "https://b.test", "https://c.test"]), unique=True).map(tuple)

SUBJECT = AccessToken("alice", "app", "t-1", "g-1", frozenset({"api"}), 1, 601, ("https://a.test",), UNBOUND, {})
SERVICE = Client("billing", "Billing", bytes(32), first_party=True, redirect_uris=(), post_logout_redirect_uris=(),
                 grant_types=frozenset(), scopes=frozenset({"api", "read"}), roles=frozenset({"service"}),
                 created_at_us=1)


def tried(work: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what came of it, or the code of its refusal."""
    try:
        return work(), None
    except OAuthError as error:
        return None, error.code


@given(PLACES, PLACES)
def test_resources_are_narrowed_or_refused(asked: tuple[str, ...], granted: tuple[str, ...]) -> None:
    """RFC 8707 section 2.2."""
    found, code = tried(lambda: narrowed(asked, granted))

    assert (code == "invalid_target") is not (set(asked) <= set(granted))
    assert set(found or ()) <= set(granted)


@given(st.none() | SCOPES, SCOPES, SCOPES)
def test_an_exchange_gives_no_scope_that_was_not_there(asked: frozenset[str] | None, had: frozenset[str],
                                                       client_has: frozenset[str]) -> None:
    """RFC 8693: never more than the subject token, never more than the client."""
    subject, client = replace(SUBJECT, scopes=had), replace(SERVICE, scopes=client_has)

    found, code = tried(lambda: scopes_of(asked, subject, client))

    assert code in {None, "invalid_scope"}
    assert (found or frozenset()) <= had & client_has - {"openid", "offline_access"}


@given(PLACES, PLACES)
def test_an_exchange_goes_nowhere_but_the_list(asked: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """RFC 8693 section 2.2.2."""
    client = replace(SERVICE, settings=ClientSettings(exchange_audiences=allowed))

    found, code = tried(lambda: audiences_of(asked, SUBJECT, client))

    assert code in {None, "invalid_target"}
    assert set(found or ()) <= set(allowed)


@given(st.integers(min_value=1, max_value=10))
def test_the_chain_of_actors_ends(hops: int) -> None:
    """RFC 8693 section 4.1."""
    subject, made = SUBJECT, 0

    for hop in range(hops):
        try:
            actor = actor_of(subject, None, replace(SERVICE, id=f"hop-{hop}"))
        except OAuthError:
            break
        subject, made = replace(subject, client_id=f"hop-{hop}", claims={"act": actor}), made + 1

    assert made == min(hops, MAX_ACTORS)


@given(st.booleans(), st.booleans(), SCOPES, SCOPES, st.frozensets(st.sampled_from(["admin", "analyst"])))
def test_a_child_grant_never_carries_a_role_its_parent_would_not(
        parent_is_ours: bool, child_is_ours: bool, had: frozenset[str], asked: frozenset[str],  # noqa: FBT001
        roles: frozenset[str]) -> None:
    """The design: privilege gain is refused at every later moment too."""
    parent = GrantState("g", "app", "alice", "alice", None, 1, parent_is_ours, roles, frozenset())
    child = replace(parent, grant_id="h", client_id="billing", first_party=child_is_ours,
                    client_roles=frozenset({"service"}), parent=parent)

    assert child.roles_for(asked & had) <= parent.roles_for(had)
    assert child.subject == parent.subject


@given(PLACES, st.booleans())
def test_a_public_client_hears_of_its_own_tokens_only(audiences: tuple[str, ...], is_own: bool) -> None:  # noqa: FBT001
    """RFC 7662 section 4."""
    public = replace(SERVICE, secret_hash=None, id="app" if is_own else "spa",
                     settings=ClientSettings(audiences=audiences))

    assert is_concerned(public, replace(SUBJECT, audiences=audiences), "https://a.test") is is_own


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    """RFC 8628 section 6.1."""
    found = read_user_code(text)

    assert found is None or read_user_code(shown(found)) == found


@given(st.lists(st.tuples(st.sampled_from(["resource", "audience", "scope", "code"]), st.text(max_size=8)),
                max_size=14))
def test_only_targets_may_be_repeated(pairs: list[tuple[str, str]]) -> None:
    """RFC 6749 section 3.2, RFC 8707 section 2, RFC 8693 section 2.1."""
    names = [name for name, _ in pairs if name in {"scope", "code"}]
    is_plain = all(char >= " " and char != "\x7f" for name, value in pairs if name in {"scope", "code"}
                   for char in value)

    found, code = tried(lambda: read_token_parameters(pairs))

    is_single = len(set(names)) == len(names)
    assert (code == "invalid_request") is not (is_single and is_plain)
    assert set(found.values if found else ()) <= set(names)


def test_user_codes_are_too_many_to_guess() -> None:
    """RFC 8628 section 5.1: an address tries twenty in ten minutes, of 20**8."""
    assert len({new_user_code() for _ in range(1_000)}) == 1_000
    assert MAX_TRIES_OF_ADDRESS / 20**8 < 1e-9


@pytest.mark.parametrize("named", [None, "billing"])
def test_may_act_names_one_and_nothing_names_all(named: str | None) -> None:
    """RFC 8693 section 4.4."""
    subject = replace(SUBJECT, claims={"may_act": {"sub": named}} if named else {})

    assert actor_of(subject, None, SERVICE) == {"sub": "billing"}
