"""For developers: where the endpoints are, which clients there are, and a bench to try a token and introspection on.

Secrets and tokens typed here go to the provider and into this one answer; nothing of them is kept.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from typing import Any

from starlette.responses import Response

from control_plane.console.gateway_client import Answer
from control_plane.console.visit import Visit

_PAGE = 100
_MAX_TOKEN = 8_192
_ENDPOINTS = (
    "issuer", "authorization_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint",
    "userinfo_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint",
    "registration_endpoint", "end_session_endpoint", "jwks_uri",
)
_KINDS: dict[str, dict[str, Any]] = {
    "service": {"grant_types": ["client_credentials"]},
    "web": {"grant_types": ["authorization_code", "refresh_token"]},
    "app": {"grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"},
}
"""What a developer calls a client -> how it is registered (RFC 7591)."""


async def bench(visit: Visit) -> Response:
    """Show endpoints, clients, and the two forms."""
    return await _shown(visit)


async def register(visit: Visit) -> Response:
    """Register a client; its secret is on this page and never again."""
    kind = _KINDS.get(visit.form.get("kind", ""), _KINDS["service"])
    body = {
        "client_name": visit.form.get("name", "").strip(), "scope": " ".join(visit.form.get("scope", "").split()),
        "redirect_uris": visit.form.get("redirect_uris", "").split(), **kind,
    }
    answer = await visit.tell("/api/v1/clients", body)
    return await _shown(visit, made=answer.body) if answer.is_ok else visit.refused(answer)


async def token(visit: Visit) -> Response:
    """Ask for a token as a client would, and show what came."""
    answer = await visit.console.gateway.post_form(
        "/oauth2/token", {"grant_type": "client_credentials", "scope": visit.form.get("scope", "").strip()},
        _client(visit))
    issued = answer.body.get("access_token", "") if answer.is_ok else ""
    return await _shown(visit, tried="token", answer=answer, decoded=_decoded(issued), token=issued)


async def introspect(visit: Visit) -> Response:
    """Ask what became of a token, as a client; without credentials as the console, about the person's own token."""
    client = _client(visit)
    mine = visit.session.tokens.get("access_token", "") if client is None else ""
    asked = visit.form.get("token", "").strip() or mine
    answer = await visit.console.gateway.post_form("/oauth2/introspect", {"token": asked}, client)
    return await _shown(visit, tried="introspect", answer=answer, decoded=_decoded(asked))


async def _shown(visit: Visit, *, tried: str = "", answer: Answer | None = None, **values: Any) -> Response:  # noqa: ANN401 - template values
    metadata, clients = await asyncio.gather(
        visit.console.gateway.metadata(), visit.ask("/api/v1/clients", limit=_PAGE))
    said = metadata.body if metadata.is_ok and isinstance(metadata.body, dict) else {}
    return visit.page(
        "developers.html", endpoints={name: said[name] for name in _ENDPOINTS if name in said},
        clients=clients.items, may_register=clients.is_ok, tried=tried, typed=_without_secrets(visit.form),
        answered=answer.status if answer else None, said=_pretty(answer.body) if answer else None,
        made=values.get("made"), decoded=values.get("decoded"), token=values.get("token", ""))


def _client(visit: Visit) -> tuple[str, str] | None:
    client_id = visit.form.get("client_id", "").strip()
    return (client_id, visit.form.get("client_secret", "")) if client_id else None


def _without_secrets(form: dict[str, str]) -> dict[str, str]:
    return {name: form.get(name, "") for name in ("client_id", "scope")}


def _decoded(text: str) -> str | None:
    """Return the claims of a JWT for reading; nothing here is verified, introspection did that."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > _MAX_TOKEN:  # noqa: PLR2004 - header, claims, signature
        return None
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except ValueError:
        return None
    return f"{_pretty(header)}\n{_pretty(claims)}"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


ROUTES = (
    ("GET", "/developers", bench), ("POST", "/developers/clients", register),
    ("POST", "/developers/token", token), ("POST", "/developers/introspect", introspect),
)
