"""Filters: what they find on PostgreSQL, and what they refuse (RFC 7644 section 3.4.2.2)."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.scim.errors import ScimError
from identity.domain.scim.filters import MAX_DEPTH, MAX_TESTS, parse
from identity.store.scim.columns import PLACES_OF_PEOPLE
from identity.store.scim.conditions import Conditions
from tests.identity.scim.directory import ENTERPRISE, USER, ScimClient

ADA = {"name": {"givenName": "Ada", "familyName": "Lovelace"}, "title": "Countess", "displayName": 'Ada "A" \\ L',
       "emails": [{"value": "ada@work.test", "type": "work", "primary": True},
                  {"value": "ada@home.test", "type": "home"}],
       "phoneNumbers": [{"value": "+355 4 1", "type": "work"}], "externalId": "A-1", "nickName": "Ada",
       "addresses": [{"type": "work", "country": "AL", "locality": "Tirana"}]}
BEN = {"name": {"givenName": "Ben", "familyName": "Babbage"}, "userType": "Guest", "active": False,
       "emails": [{"value": "ben@home.test", "type": "home", "primary": True}]}


@pytest.fixture
async def people(scim: ScimClient) -> ScimClient:
    """Ada, who is at work, and Ben, who is not active."""
    ada = await scim.user("ada", **ADA)
    await scim.user("ben", **BEN, **{ENTERPRISE: {"department": "Engines", "manager": {"value": ada["id"]}}})
    group = await scim.group("Tour Guides", ada["id"])
    assert group["members"][0]["value"] == ada["id"]
    return scim


CASES: list[tuple[str, list[str]]] = [
    ('userName eq "ada"', ["ada"]), ('USERNAME Eq "ADA"', ["ada"]), ('userName sw "a"', ["ada", "alice"]),
    ('userName co "e"', ["alice", "ben"]), ('userName ew "n"', ["ben"]), ('userName ne "ada"', ["alice", "ben"]),
    (f'{USER}:userName eq "ada"', ["ada"]), ('userName gt "alice"', ["ben"]), ('userName le "ada"', ["ada"]),
    ('name.familyName co "LOVE"', ["ada"]), ('name.givenName eq "Ben"', ["ben"]), ("name pr", ["ada", "ben"]),
    ("title pr", ["ada"]), ("not (title pr)", ["alice", "ben"]), ("title eq null", ["alice", "ben"]),
    ("active eq true", ["ada", "alice"]), ("active eq false", ["ben"]), ("active ne true", ["ben"]),
    ('externalId eq "A-1"', ["ada"]), ('externalId eq "a-1"', []),
    ('emails eq "ada@home.test"', ["ada"]), ('emails.value co "@HOME"', ["ada", "ben"]),
    ('emails[type eq "work" and value co "@work"]', ["ada"]), ('emails[type eq "work" and value co "@home"]', []),
    ('emails.type eq "work"', ["ada"]), ("emails.primary eq true", ["ada", "ben"]), ("emails pr", ["ada", "ben"]),
    ('emails[not (type eq "work")]', ["ada", "ben"]), ("not (emails pr)", ["alice"]),
    ('phoneNumbers.value eq "+355 4 1"', ["ada"]),
    ('addresses.locality eq "tirana"', ["ada"]), ('nickName eq "ada"', ["ada"]),
    (f'{ENTERPRISE}:department eq "engines"', ["ben"]), (f"{ENTERPRISE}:manager.value pr", ["ben"]),
    (f'{ENTERPRISE}:manager.displayName eq "ada"', ["ben"]),
    ('groups.display eq "Tour Guides"', ["ada"]), ('roles eq "admin"', ["alice"]), ("groups pr", ["ada", "alice"]),
    ('userType eq "Guest" or (title pr and userName eq "ada")', ["ada", "ben"]),
    ('userName eq "ben" or userName eq "ada" and title eq "x"', ["ben"]),
    ('(userName eq "ben" or userName eq "ada") and title pr', ["ada"]),
    ('displayName eq "Ada \\"A\\" \\\\ L"', ["ada"]), ('displayName co "\\u0041da"', ["ada"]),
    ('meta.created gt "2020-01-01T00:00:00Z"', ["ada", "alice", "ben"]),
    ('meta.lastModified lt "2020-01-01T00:00:00Z"', []), ("title eq 7", []), ("title ne 7", ["ada", "alice", "ben"]),
    ("userName eq \"'; DROP TABLE identity.users; --\"", []), ('userName co "%"', []), ('userName co "_"', []),
]


async def test_filters_find_whom_they_describe(people: ScimClient) -> None:
    for condition, names in CASES:
        assert await people.names(condition, sortBy="userName") == names, condition


REFUSED = [
    "", "userName", "userName eq", 'userName xx "a"', 'eq "a"', 'userName eq "a" and', '(userName eq "a"',
    'userName eq "a")', "userName eq a", "userName eq 'a'", 'userName eq "a', 'userName eq "\\x"', 'nothing eq "a"',
    'name.nothing eq "a"', 'password eq "x"', "password pr", 'userName[type eq "x"]', 'emails[value eq "x"',
    "emails[nope pr]", "emails[a[b pr]]", "active gt true", 'active co "t"', "title gt null",
    'meta.created gt "yesterday"',
    'meta.created co "2026"', "not userName pr", 'userName eq "\\u0000"', 'userName eq "\\ud800"', "a" * 5_000,
    "(" * (MAX_DEPTH + 1) + "title pr" + ")" * (MAX_DEPTH + 1), " or ".join(["title pr"] * (MAX_TESTS + 1)),
    "urn:x:9.9:User:userName pr", "userName pr title pr", "1 eq 1", 'name eq "x"', "emails.nope pr", "userName eq NaN",
]


async def test_a_filter_that_cannot_be_read_is_refused(people: ScimClient) -> None:
    """RFC 7644 section 3.12: 400, invalidFilter."""
    for condition in REFUSED:
        answer = await people.http.get("Users", params={"filter": condition})
        assert (answer.status_code, answer.json().get("scimType")) == (400, "invalidFilter"), condition
        assert answer.headers["content-type"] == "application/scim+json"


async def test_groups_are_found_by_name_and_by_member(people: ScimClient) -> None:
    ada = (await people.found("Users", 'userName eq "ada"'))[0]

    by_name = await people.found("Groups", 'displayName sw "tour"')
    by_member = await people.found("Groups", f'members.value eq "{ada["id"]}"')
    by_path = await people.found("Groups", f'members[value eq "{ada["id"]}" and type eq "User"]')

    assert [each["displayName"] for each in by_name] == ["Tour Guides"]
    assert by_name == by_member == by_path


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(ScimError):
        parse(text)


_leaf = st.builds("{} {} {}".format, st.sampled_from(["userName", "title", "name.givenName", "emails.type", "emails"]),
                  st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "le"]),
                  st.sampled_from(['"a"', '"\\"; --"', '"$1"', '"\'"', "7", "true"]))
_tree = st.recursive(_leaf, lambda inner: st.one_of(
    st.builds("({} and {})".format, inner, inner), st.builds("({} or {})".format, inner, inner),
    st.builds("not ({})".format, inner)), max_leaves=12)


@given(_tree)
def test_what_a_client_wrote_is_a_parameter_and_never_sql(text: str) -> None:
    writer = Conditions(PLACES_OF_PEOPLE)

    sql = writer.sql(parse(text))

    assert "--" not in sql
    assert all(f"${number + 1}::text" in sql for number in range(len(writer.parameters)))
    assert len(writer.parameters) == sum(sql.count(f"${number + 1}::") > 0 for number in range(len(writer.parameters)))


@pytest.mark.parametrize(("query", "names"), [
    ({"sortBy": "userName"}, ["ada", "alice", "ben"]),
    ({"sortBy": "userName", "sortOrder": "descending"}, ["ben", "alice", "ada"]),
    ({"sortBy": "userName", "startIndex": "2", "count": "1"}, ["alice"]),
    ({"sortBy": "name.familyName"}, ["ben", "ada", "alice"]),
    ({"sortBy": "emails.value"}, ["ada", "ben", "alice"]),
    ({"sortBy": "userName", "startIndex": "-5", "count": "2"}, ["ada", "alice"]),
    ({"sortBy": "userName", "startIndex": "9"}, []), ({"count": "0"}, []), ({"count": "-1"}, []),
])
async def test_pages_and_order(people: ScimClient, query: dict[str, str], names: list[str]) -> None:
    """RFC 7644 sections 3.4.2.3 and 3.4.2.4."""
    found: dict[str, Any] = (await people.http.get("Users", params=query)).json()

    assert [each["userName"] for each in found["Resources"]] == names
    assert found["totalResults"] == 3
    assert found["itemsPerPage"] == len(names)


async def test_parameters_that_make_no_sense(people: ScimClient) -> None:
    for query in ("count=x", "startIndex=1.5", "sortBy=nope", "sortOrder=up&sortBy=userName", "sortBy=name",
                  "count=1&count=2", "attributes=a&excludedAttributes=b", "count=99999999999"):
        assert (await people.http.get(f"Users?{query}")).status_code == 400, query
