"""Many operations in one message (RFC 7644 section 3.7): each stands alone; a `bulkId` names what is not yet there."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from identity.domain.scim.errors import ScimError, invalid_syntax, invalid_value
from identity.service.scim.asker import Shown
from shared_kernel.errors import UnavailableError

MESSAGE = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
ANSWER = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
MAX_OPERATIONS, MAX_PAYLOAD = 1_000, 1_048_576
METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFERENCE = re.compile(r"bulkId:([A-Za-z0-9._~-]{1,128})", re.ASCII)
_PATH = re.compile(r"/(Users|Groups)(?:/([A-Za-z0-9:._~-]{1,160}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `needs` are the bulkIds that must be known before."""

    method: str
    collection: str
    target: str | None
    bulk_id: str | None
    version: str | None
    data: Any = None
    needs: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an operation."""

    status: int
    shown: Shown | None = None
    location: str | None = None


Perform = Callable[[Operation], Awaitable[Done]]
Refused = Callable[[ScimError], Mapping[str, Any]]
Wrap = Callable[[Exception], ScimError]


class Bulk:
    """Carries out one message."""

    def __init__(self, perform: Perform, *, refused: Refused, wrap: Wrap) -> None:
        self._perform, self._refused, self._wrap = perform, refused, wrap
        self._known: dict[str, str] = {}

    async def run(self, message: object) -> dict[str, Any]:
        """Return the answer; what waits for a bulkId comes after what makes it, circles are 409."""
        operations, fail_on = _read(message)
        answers: list[dict[str, Any]] = []
        errors = 0
        waiting = operations
        while waiting and (fail_on is None or errors < fail_on):
            ready = next((each for each in waiting if each.needs <= self._known.keys()), waiting[0])
            waiting = [each for each in waiting if each is not ready]
            answer, is_error = await self._one(ready)
            answers.append(answer)
            errors += is_error
        return {"schemas": [ANSWER], "Operations": answers}

    async def _one(self, operation: Operation) -> tuple[dict[str, Any], bool]:
        about: dict[str, Any] = {"method": operation.method}
        if operation.bulk_id is not None:
            about["bulkId"] = operation.bulk_id
        try:
            if not operation.needs <= self._known.keys():
                missing = min(operation.needs - self._known.keys())
                raise ScimError(409, f"bulkId {missing} names nothing that could be made before")  # noqa: TRY301
            done = await self._perform(self._resolved(operation))
        except UnavailableError:
            raise
        except Exception as cause:  # noqa: BLE001 - one operation's failure is its own answer
            error = self._wrap(cause)
            return {**about, "status": str(error.status), "response": self._refused(error)}, True
        if done.shown is not None:
            if operation.bulk_id is not None:
                self._known[operation.bulk_id] = done.shown.id
            about |= {"location": done.shown.document["meta"]["location"], "version": done.shown.etag}
        elif done.location is not None:
            about["location"] = done.location
        return {**about, "status": str(done.status)}, False

    def _resolved(self, operation: Operation) -> Operation:
        target = operation.target
        if target is not None and target.startswith("bulkId:"):
            target = self._known[target.removeprefix("bulkId:")]
        return Operation(operation.method, operation.collection, target, operation.bulk_id, operation.version,
                         _filled(operation.data, self._known))


def _read(message: object) -> tuple[list[Operation], int | None]:
    fields = {name.lower(): value for name, value in message.items()} if isinstance(message, Mapping) else {}
    if fields.get("schemas") != [MESSAGE]:
        raise invalid_syntax(f"schemas must be [{MESSAGE}]")
    given, fail_on = fields.get("operations"), fields.get("failonerrors")
    if not isinstance(given, list):
        raise invalid_syntax("Operations must be a list")
    if len(given) > MAX_OPERATIONS:
        raise ScimError(413, f"a bulk message holds at most {MAX_OPERATIONS} operations")
    if fail_on is not None and (isinstance(fail_on, bool) or not isinstance(fail_on, int) or fail_on < 1):
        raise invalid_syntax("failOnErrors must be a whole number from 1")
    operations = [_operation(each) for each in given]
    names = [each.bulk_id for each in operations if each.bulk_id is not None]
    if len(set(names)) != len(names):
        raise invalid_value("two operations have one bulkId")
    return operations, fail_on


def _operation(given: object) -> Operation:
    fields = {name.lower(): value for name, value in given.items()} if isinstance(given, Mapping) else {}
    method, path, bulk_id = fields.get("method"), fields.get("path"), fields.get("bulkid")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise invalid_syntax("method must be POST, PUT, PATCH or DELETE")
    found = _PATH.fullmatch(path) if isinstance(path, str) else None
    if found is None or (method.upper() == "POST") != (found[2] is None):
        raise invalid_syntax("path must be /Users or /Groups to POST, and name one of them else")
    if bulk_id is not None and not (isinstance(bulk_id, str) and _REFERENCE.fullmatch(f"bulkId:{bulk_id}")):
        raise invalid_syntax("bulkId must be a short text")
    if method.upper() == "POST" and bulk_id is None:
        raise invalid_syntax("POST needs a bulkId (RFC 7644 section 3.7)")
    version, data = fields.get("version"), fields.get("data")
    if version is not None and not isinstance(version, str):
        raise invalid_syntax("version must be a text")
    needs = frozenset(_references([found[2], data]))
    return Operation(method.upper(), found[1], found[2], bulk_id, version, data, needs - {bulk_id})


def _references(value: object) -> Iterator[str]:
    """Yield the bulkIds that texts name as a whole."""
    if isinstance(value, str) and (found := _REFERENCE.fullmatch(value)):
        yield found[1]
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references(inner)


def _filled(value: Any, known: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _filled(inner, known) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, known) for inner in value]
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return known.get(found[1], value) if found else value
