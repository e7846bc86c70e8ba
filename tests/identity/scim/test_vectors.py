"""The examples of RFC 7643 and RFC 7644: every file is read, none is left out without a reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from identity.domain.scim.errors import ScimError
from identity.domain.scim.meta_schemas import SCHEMAS
from identity.domain.scim.patch import operations_of, patched
from identity.domain.scim.resources import cleaned
from identity.domain.scim.schemas import GROUPS, USERS
from identity.http.scim.messages import ERROR, LIST, asked_in_message
from tests.identity.scim.directory import ScimClient

COUNT = 49


@pytest.fixture(scope="session")
def files(shared_vectors: Path) -> dict[str, Any]:
    """The examples by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((shared_vectors / "scim").glob("*.json"))}


def test_all_examples_are_there_and_belong_to_a_test(files: dict[str, Any]) -> None:
    kinds = ("user", "enterprise_user", "group", "patch_op", "bulk_re", "list_response", "error", "schema",
             "search_request", "service_provider_configuration", "resource_type")

    assert len(files) == COUNT
    assert all(any(kind in name for kind in kinds) for name in files)


def test_our_schemas_have_the_attributes_of_the_rfc(files: dict[str, Any]) -> None:
    """RFC 7643 section 8.7; left out: `display` of a member (not in the RFC's table), what we only read (`roles`)."""
    for name in ("user", "enterprise_user", "group"):
        theirs = files[f"rfc7643-8.7.1-schema-{name}"]
        ours = SCHEMAS[theirs["id"]].to_json("")
        mine = {each["name"]: each for each in ours["attributes"]}
        for attribute in theirs["attributes"]:
            found = mine[attribute["name"]]
            traits = {"type", "multiValued", "required"} | ({"mutability"} if attribute["name"] != "roles" else set())
            assert {trait: found[trait] for trait in traits} == {trait: attribute[trait] for trait in traits}
            theirs_parts = {part["name"] for part in attribute.get("subAttributes", [])}
            ours_parts = {part["name"] for part in found.get("subAttributes", [])}
            assert theirs_parts - ours_parts <= (
                {"display"} if name == "group" else {"display", "type", "primary"} if attribute["name"] == "roles"
                else set())


def test_every_user_and_group_of_the_rfc_can_be_read(files: dict[str, Any]) -> None:
    read = 0
    for name, document in files.items():
        is_other = any(word in name for word in ("schema-", "resource_type", "partial"))
        if ("-user-" in name and not is_other) or name == "rfc7643-8.3-enterprise_user":
            assert cleaned(document, USERS)
            read += 1
    assert cleaned(files["rfc7643-8.4-group"], GROUPS)
    assert read >= 8


def test_every_patch_of_the_rfc_can_be_read(files: dict[str, Any]) -> None:
    patches = {name: each for name, each in files.items() if "patch_op" in name}
    group = {"displayName": "Tour Guides", "members": [{"value": "2819c223-7f76-453a-919d-413861904646"}]}
    user = {"userName": "ben", "emails": [{"value": "a@x.test", "type": "work"}],
            "addresses": [{"type": "work", "streetAddress": "1"}]}

    assert len(patches) == 10
    for name, message in patches.items():
        assert operations_of(message), name
        is_group = "member" in name
        try:
            found = patched(group if is_group else user, message, GROUPS if is_group else USERS)
        except ScimError as error:
            pytest.fail(f"{name}: {error.detail}")
        assert found["displayName" if is_group else "userName"]


def test_the_search_of_the_rfc_can_be_read(files: dict[str, Any]) -> None:
    search = asked_in_message(files["rfc7644-3.4.3-search_request"]).search()

    assert search.condition is not None


async def test_every_bulk_message_of_the_rfc_is_answered(scim: ScimClient, files: dict[str, Any]) -> None:
    """RFC 7644 section 3.7; the circle of groups within groups is refused: a role holds no role."""
    requests = {name: each for name, each in files.items() if "bulk_request" in name}

    for name, message in requests.items():
        answer = await scim.send("POST", "Bulk", message)
        statuses = [each["status"] for each in answer.json()["Operations"]]
        assert answer.status_code == 200, name
        assert len(statuses) == len(message["Operations"]) or "failOnErrors" in message
        if "circular" in name:
            assert set(statuses) == {"409"}
    assert len(requests) == 4


async def test_our_answers_have_the_form_of_the_rfc(scim: ScimClient, files: dict[str, Any]) -> None:
    config = (await scim.http.get("ServiceProviderConfig")).json()
    theirs = files["rfc7643-8.5-service_provider_configuration"]
    types = (await scim.http.get("ResourceTypes")).json()
    error = (await scim.http.get("Users/x")).json()

    assert config["schemas"] == theirs["schemas"]
    assert {name for name, value in theirs.items() if isinstance(value, dict)} <= config.keys()
    assert all(config[name]["supported"] for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag"))
    assert {each["endpoint"] for each in types["Resources"]} == {
        each["endpoint"] for each in files["rfc7644-4-list_response-resource_types"]["Resources"]}
    assert {each["schemas"][0] for name, each in files.items() if "-error-" in name and "schemas" in each
            and "bulk" not in name} == {ERROR} == set(error["schemas"])
    assert all(each["schemas"] == [LIST] for name, each in files.items() if "list_response-p" in name)
