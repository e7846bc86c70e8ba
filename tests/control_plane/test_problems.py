"""One table from error family to status; a 5xx never shows detail."""

import json
from typing import ClassVar

import pytest
from starlette.exceptions import HTTPException

from control_plane.problems import CHALLENGE, GENERIC, STATUS_OF_FAMILY, problem_of
from shared_kernel import errors


class NarrowError(errors.TooManyRequestsError):
    """A house's own error."""

    kind: ClassVar[str] = "narrow"
    retry_after_s = 30


@pytest.mark.parametrize(("family", "status"), STATUS_OF_FAMILY.items())
def test_every_family_has_its_status_and_says_its_own_sentence(
    family: type[errors.GridwardenError], status: int,
) -> None:
    problem = problem_of(family("the sentence"))

    assert (problem.status, problem.kind, problem.detail) == (status, family.kind, "the sentence")


def test_every_family_of_the_kernel_is_in_the_table() -> None:
    families = set(errors.GridwardenError.__subclasses__())

    assert {one for one in families if one.__module__ == errors.__name__} == set(STATUS_OF_FAMILY)


def test_a_narrower_error_keeps_its_kind_and_its_patience() -> None:
    problem = problem_of(NarrowError("slow down"))

    assert (problem.status, problem.kind, problem.headers) == (429, "narrow", {"Retry-After": "30"})


@pytest.mark.parametrize("error", [
    RuntimeError("secret"), errors.GridwardenError("secret"), HTTPException(500, "secret"),
])
def test_a_fault_of_ours_says_nothing_about_itself(error: Exception) -> None:
    problem = problem_of(error)

    assert (problem.status, problem.kind, problem.detail) == (500, "internal", GENERIC)


def test_an_unauthenticated_caller_is_challenged() -> None:
    problem = problem_of(errors.UnauthenticatedError("who?"))

    assert problem.headers == {"WWW-Authenticate": CHALLENGE}


def test_a_problem_is_rendered_as_rfc_9457_says() -> None:
    response = problem_of(errors.ConflictError("closed")).response(request_id="r-1", instance="/x")

    assert response.media_type == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "urn:gridwarden:problem:conflict", "title": "Conflict", "status": 409, "detail": "closed",
        "request_id": "r-1", "instance": "/x",
    }


def test_the_frameworks_own_errors_are_problems_too() -> None:
    problem = problem_of(HTTPException(400, "no form"))

    assert (problem.status, problem.kind, problem.detail) == (400, "bad-request", "no form")
