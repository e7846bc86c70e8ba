"""What the house's routes take and give: the administrators' API in full, protocols and pages by their kind.

The bodies of OAuth, SCIM and shared signals are written down in their standards, which is where clients have them from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from identity.http.api.administration import Lock, NewUser, Roles, UserChange
from identity.http.api.bodies import MAX_PAGE
from identity.http.api.clients import Import, NewInvitation
from identity.http.api.roles import NewRole, RoleChange
from identity.http.scim.messages import MEDIA_TYPE as SCIM
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import (
    ANY,
    COUNT,
    FLAG,
    FORM,
    MAYBE_TEXT,
    PAGE,
    TEXT,
    TEXTS,
    TIME,
    Operation,
    Schema,
    listing,
    record,
)

_PAGES = {"limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}, "after": TEXT}
_USER_FIELDS = {"id": TEXT, "name": TEXT, "roles": TEXTS, "status": TEXT, "email": MAYBE_TEXT, "email_verified": FLAG,
                "profile": ANY, "created_at": TIME, "updated_at": TIME}
_USER = record(_USER_FIELDS, title="User")
_NEW_USER = record(_USER_FIELDS, {"password": {"type": "string", "description": "made up, and shown this once"}},
                   "CreatedUser")
_ME = record({"id": TEXT, "roles": TEXTS}, {"name": TEXT, "kind": TEXT, **{
    name: schema for name, schema in _USER_FIELDS.items() if name not in {"id", "roles", "name"}}}, "Me")
_SESSION = record({"id": TEXT, "user_agent": TEXT, "source_ip": TEXT, "place": ANY, "amr": TEXTS, "created_at": TIME,
                   "seen_at": TIME}, title="Session")
_LIVE_SESSION = record({"id": TEXT, "user_agent": TEXT, "source_ip": TEXT, "place": ANY, "amr": TEXTS,
                        "created_at": TIME, "seen_at": TIME, "user": record({"id": TEXT, "name": TEXT}),
                        "signed_in_at": TIME, "expires_at": TIME, "applications": TEXTS}, title="LiveSession")
_ROLE = record({"id": TEXT, "name": TEXT, "description": TEXT, "built_in": FLAG, "created_at": TIME,
                "updated_at": TIME}, title="Role")
_CLIENT = record({"client_id": TEXT, "roles": TEXTS, "first_party": FLAG, "public": FLAG, "created_at": TIME,
                  "updated_at": TIME}, {"client_name": TEXT, "redirect_uris": TEXTS, "grant_types": TEXTS,
                                        "scope": TEXT, "client_secret": TEXT}, "Client")
_CLIENT_METADATA = {"type": "object", "description": "client metadata, RFC 7591 section 2", "title": "ClientMetadata"}
_CHANGED = record({"items": {"type": "array", "items": record(
    {"client_id": TEXT, "action": {"enum": ["created", "updated", "unchanged"]}, "changed": ANY},
    {"client_secret": TEXT})}, "dry_run": FLAG}, title="ImportedClients")
_INVITATION_FIELDS = {"id": TEXT, "created_by": TEXT, "uses_left": COUNT, "limits": ANY, "created_at": TIME,
                      "expires_at": TIME}
_INVITATION = record(_INVITATION_FIELDS, title="Invitation")
_ONE, _ROLE_PATH, _CLIENT_PATH = "/api/v1/users/{user_id}", "/api/v1/roles/{role_id}", "/api/v1/clients/{client_id}"
_OAUTH_ERROR = record({"error": TEXT}, {"error_description": TEXT, "error_uri": TEXT}, "OAuthError")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/users"): Operation("People by name", listing(_USER, MAYBE_TEXT), query=_PAGES),
    ("POST", "/api/v1/users"): Operation("Create a person", _NEW_USER, NewUser, 201),
    ("GET", "/api/v1/users/me"): Operation("Who I am", _ME),
    ("GET", _ONE): Operation("One person", _USER),
    ("PATCH", _ONE): Operation("Change address and claims of a person", _USER, UserChange),
    ("DELETE", _ONE): Operation("Forget a person"),
    ("GET", f"{_ONE}/sessions"): Operation("A person's live sessions", listing(_SESSION, MAYBE_TEXT)),
    ("DELETE", f"{_ONE}/sessions/{{session_id}}"): Operation("End one session of a person"),
    ("POST", f"{_ONE}/reset-factors"): Operation("Take away a person's second factors",
                                                 record({"factors_removed": COUNT})),
    ("POST", f"{_ONE}/mail-password"): Operation(
        "Mail a person a link to a new password (202: it is in the outbox)", status=202),
    ("PUT", f"{_ONE}/roles"): Operation("Replace a person's roles", _USER, Roles),
    ("POST", f"{_ONE}/lock"): Operation("Lock an account", takes=Lock),
    ("POST", f"{_ONE}/unlock"): Operation("Let a person in again"),
    ("POST", f"{_ONE}/revoke-sessions"): Operation("End a person's sessions", record({"sessions_ended": COUNT})),
    ("GET", "/api/v1/sessions"): Operation("Everybody's live sessions, the newest login first",
                                           listing(_LIVE_SESSION, MAYBE_TEXT), query={**_PAGES, "name": TEXT}),
    ("DELETE", "/api/v1/sessions/{session_id}"): Operation("End a session, whosever it is"),
    ("GET", "/api/v1/roles"): Operation("Roles by name", listing(_ROLE, MAYBE_TEXT), query=_PAGES),
    ("POST", "/api/v1/roles"): Operation("Create a role", _ROLE, NewRole, 201),
    ("GET", _ROLE_PATH): Operation("One role", _ROLE),
    ("PATCH", _ROLE_PATH): Operation("Say what a role is for", _ROLE, RoleChange),
    ("DELETE", _ROLE_PATH): Operation("Forget a role that nobody has"),
    ("GET", "/api/v1/clients"): Operation("Applications by id", listing(_CLIENT, MAYBE_TEXT), query=_PAGES),
    ("POST", "/api/v1/clients"): Operation("Register an application", _CLIENT, _CLIENT_METADATA, 201),
    ("POST", "/api/v1/clients/import"): Operation("Bring applications up to date, all or none", _CHANGED, Import),
    ("GET", _CLIENT_PATH): Operation("One application", _CLIENT),
    ("PUT", _CLIENT_PATH): Operation("Replace an application's metadata", _CLIENT, _CLIENT_METADATA),
    ("DELETE", _CLIENT_PATH): Operation("Forget an application with all its grants"),
    ("POST", f"{_CLIENT_PATH}/rotate-secret"): Operation("Give an application a new secret", _CLIENT),
    ("GET", "/api/v1/client-invitations"): Operation("Invitations that still work", listing(_INVITATION)),
    ("POST", "/api/v1/client-invitations"): Operation(
        "Make an initial access token; its text is in this answer only",
        record({**_INVITATION_FIELDS, "initial_access_token": TEXT}, title="NewInvitationAnswer"), NewInvitation, 201),
    ("DELETE", "/api/v1/client-invitations/{invitation_id}"): Operation("Take an invitation back"),
}
_MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_BODILESS = frozenset({"OPTIONS", "DELETE"})


def pages(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return pages for people: HTML, forms and redirects, in the browser only."""
    found = _each(endpoints, PAGE, FORM, also={201: PAGE, 204: None, 302: None, 303: None}, failure=PAGE)
    return tuple(replace(each, operation=replace(each.operation, gives=_MEDIA.get(each.path.rpartition(".")[2], PAGE)))
                 for each in found)


def oauth(endpoints: Iterable[Endpoint], takes: Schema = FORM) -> tuple[Endpoint, ...]:
    """Return endpoints of OAuth: forms (or metadata) in, JSON out, refusals as RFC 6749 section 5.2 has them."""
    return _each(endpoints, ANY, takes, also={201: ANY, 204: None}, failure=_OAUTH_ERROR)


def scim(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return endpoints of SCIM (RFC 7644), in its own media type."""
    body = {**ANY, "x-media-type": SCIM}
    return _each(endpoints, body, body, also={201: body, 204: None, 304: None}, failure=body)


def signals(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return endpoints of the shared signals transmitter (SSF 1.0)."""
    return _each(endpoints, {}, ANY, also={201: {}, 202: {}, 204: None}, failure=ANY)


def _each(
    endpoints: Iterable[Endpoint], gives: Schema, takes: Schema, *, also: Mapping[int, Schema | None],
    failure: Schema | None,
) -> tuple[Endpoint, ...]:
    return tuple(replace(each, operation=Operation(
        _summary(each), gives, None if each.method in _BODILESS else takes, also=also, failure=failure))
        for each in endpoints)


def _summary(endpoint: Endpoint) -> str:
    said = (endpoint.handler.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return said or f"{endpoint.method} {endpoint.path.rstrip('/').rpartition('/')[2]}"
