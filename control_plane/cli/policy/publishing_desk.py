"""The way to a running gateway's channel."""

from pathlib import Path
from typing import Any

import httpx2 as httpx

from control_plane.cli.client_desks import RefusedByGatewayError
from control_plane.cli.clients import NoTokenError
from control_plane.cli.person import GatewaySilentError
from control_plane.config import load_settings
from control_plane.tls.contexts import trusting
from policy_engine.http.bundles import PATH

TIMEOUT_S = 30.0


def published(bundle: Path, gateway: str | None, token: str | None, trust: Path | None) -> dict[str, Any]:
    """Return what the gateway says of the publication."""
    if not token:
        raise NoTokenError
    settings = load_settings(issuer=gateway)
    try:
        answer = httpx.post(
            settings.gateway_url() + PATH, content=bundle.read_bytes(), timeout=TIMEOUT_S,
            headers={"authorization": f"Bearer {token}", "content-type": "application/gzip"},
            verify=trusting(trust or settings.tls_cert))
        found = answer.json()
    except (httpx.HTTPError, ValueError) as cause:
        raise GatewaySilentError(settings.gateway_url()) from cause
    if not answer.is_success:
        raise RefusedByGatewayError(answer.status_code, str(found.get("detail", "")))
    return dict(found)
