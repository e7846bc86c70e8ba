"""What the consent page says: scopes and details in words, who asks, and where the answer goes.

Nothing of the application's is fetched or shown as an image: its links are https, and open outside.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from identity.domain.oauth.authorization import AuthorizationRequest
from identity.domain.records import Session
from identity.http.pages.languages import Translate

SCOPES_WITH_A_MEANING = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "api"})
_DETAIL_TERMS = ("type", "identifier", "actions", "datatypes", "locations", "privileges")
_LINKS = ("client_uri", "policy_uri", "tos_uri")


def consent_values(request: AuthorizationRequest, session: Session, t: Translate) -> dict[str, Any]:
    """Return what the template needs."""
    client = request.client
    return {
        "client": client.name, "is_first_party": client.first_party, "name": session.user_name,
        "wishes": [t(f"consent.scope_{scope}") if scope in SCOPES_WITH_A_MEANING else scope
                   for scope in sorted(request.disclosed_scopes)],
        "resources": request.resources, "place": place_of(request.redirect_uri),
        "details": [_detail(detail, t) for detail in request.authorization_details],
        "links": [(t(f"consent.link_{name}"), link) for name in _LINKS
                  if (link := _safe_link(client.settings.metadata.get(name)))],
    }


def place_of(redirect_uri: str) -> str:
    """Return what a person recognizes of a redirect URI: its host, or its scheme where an app has its own."""
    parts = urlsplit(redirect_uri)
    return parts.hostname or f"{parts.scheme}:"


def _detail(detail: Mapping[str, Any], t: Translate) -> list[tuple[str, list[str]]]:
    return [(t(f"consent.detail_{term}"), _texts(detail[term])) for term in _DETAIL_TERMS if term in detail]


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _safe_link(link: object) -> str | None:
    return link if isinstance(link, str) and link.startswith("https://") else None
