"""What the enforcement point established about a request, handed to the handler in the ASGI scope."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from shared_kernel.credentials import NO_CREDENTIALS, Credentials
from shared_kernel.principal import ANONYMOUS, Principal

_SCOPE_KEY = "gridwarden.context"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who, from where, for which purpose, and what the decision demands.

    `permit` is the ledger position of the sealed *allow*; None means that nobody permitted this request,
    and whoever serves data then must refuse (and GR-008 watches that they do).
    `credentials` are what the caller presented: for identity, which proves them; never to be logged.
    `obligations` are the decision's: name -> parameters, e.g. {"mask": {"columns": ["customer_id"]}}.
    `watermark` is the mark that the answer's JSON carries as a member of this name, when the decision demands one.
    """

    request_id: str
    principal: Principal = ANONYMOUS
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    purpose: str | None = None
    risk: int = 0
    permit: int | None = None
    revision: str = ""
    obligations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    credentials: Credentials = NO_CREDENTIALS
    watermark: str | None = None


def put_context(scope: MutableMapping[str, Any], context: RequestContext) -> None:
    """Attach the context; only the enforcement point calls this."""
    scope[_SCOPE_KEY] = context


def context_of(scope: Mapping[str, Any]) -> RequestContext:
    """Return the request's context; a request that never met the enforcement point has one without a permit."""
    found = scope.get(_SCOPE_KEY)
    return found if isinstance(found, RequestContext) else RequestContext(request_id="none")
