"""What the service behind learns of an allowed request: fields only we may set, whatever the client sent.

| field | value |
|---|---|
| `x-gridwarden-subject` | a user id, the client id of a service, or `anonymous` |
| `x-gridwarden-kind` | person, service or anonymous |
| `x-gridwarden-roles` | names, parted by commas |
| `x-gridwarden-client` | the application that asks |
| `x-gridwarden-purpose` | the accepted purpose, if one was stated |
| `x-gridwarden-risk` | 0 to 100 |
| `x-gridwarden-request-id`, `-permit`, `-revision` | the decision: its id, its place in the ledger, its policy |
| `x-gridwarden-obligations` | what the service must carry out, JSON |

Text beyond visible ASCII, and commas within a name, are percent-encoded.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.context import RequestContext, context_of
from shared_kernel.endpoint import Handler
from shared_kernel.errors import ForbiddenError

PREFIX = "x-gridwarden-"
TICKET = "gridwarden.ext_authz.ticket"
OURS = frozenset({"notify", "step_up"})
"""Obligations that were carried out before the handler: of a mark on the answer nobody here could say that."""
_PLAIN = " !#$&'()*+/:;<=>?@[]^_`{|}~-."


class UnfulfilledObligationError(ForbiddenError):
    """The policy demands something that nobody behind Envoy carries out."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"this is allowed only with the obligation {', '.join(sorted(names))}, which the service behind does not "
            "carry out: name it among `fulfils` in the route map once it does")


@dataclass(slots=True)
class Ticket:
    """Goes with a check through the gateway; only the handler of an allowed request writes on it."""

    fields: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Mutations:
    """What becomes of the request's fields: these are set, those are removed."""

    to_set: Mapping[str, str] = field(default_factory=dict)
    to_remove: tuple[str, ...] = ()


def permitting(fulfils: frozenset[str]) -> Handler:
    """Return the handler of a mapped route, which is reached only by allowed requests."""

    async def permit(request: Request) -> Response:
        context = context_of(request.scope)
        missing = context.obligations.keys() - fulfils - OURS
        if missing or context.permit is None:
            raise UnfulfilledObligationError(missing)
        request.scope[TICKET].fields = _fields(context)
        return Response()

    return permit


def mutations(fields: Mapping[str, str], sent: Iterable[str]) -> Mutations:
    """Return what to set and, of what the client sent or might have, what to remove; `sent` are its field names."""
    to_set = {name: value for name, value in fields.items() if value}
    spoofed = {name for name in sent if name.replace("_", "-").startswith(PREFIX)}
    unset = sorted((spoofed | fields.keys()) - to_set.keys())
    return Mutations(to_set, tuple(unset))


def _fields(context: RequestContext) -> dict[str, str]:
    principal = context.principal
    told: dict[str, str] = {
        "subject": _word(principal.subject), "kind": principal.kind.value,
        "roles": ",".join(_word(role) for role in sorted(principal.roles)),
        "client": _word(principal.client_id or ""), "purpose": context.purpose or "", "risk": str(context.risk),
        "request-id": context.request_id, "permit": str(context.permit), "revision": _word(context.revision),
        "obligations": _json(context.obligations),
    }
    return {PREFIX + name: value for name, value in told.items()}


def _json(obligations: Mapping[str, Mapping[str, object]]) -> str:
    return json.dumps({name: dict(parameters) for name, parameters in obligations.items()}, separators=(",", ":"))


def _word(text: str) -> str:
    return quote(text, safe=_PLAIN)
