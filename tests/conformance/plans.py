"""Clients to import and a configuration a plan, in the suite's own format: `python -m tests.conformance --help`.

The suite drives our pages itself (its `browser` section): it types into fields and clicks buttons by their ids. Keys
and certificates of the clients are made here, so that nothing secret lies in the repository.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from tests.identity.client_kit import ClientKey, self_signed

Json = dict[str, Any]
ALIAS = "gridwarden"
FAPI2 = "fapi2-security-profile-final"
OIDC_SCOPES = "openid profile email address phone offline_access"
ASKED_SCOPES = "openid profile email offline_access"
"""Less than a FAPI client may have: consent is remembered, and who shall say no must be asked for more."""
SHOWN = ["wait", "xpath", "//*", 10, ".*", "update-image-placeholder-optional"]
"""Hands the suite a picture of the page, if the module wants one; without it the module waits for a person."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to test, from where, as which person."""

    issuer: str
    suite: str
    name: str
    password: str

    @property
    def callback(self) -> str:
        """Where the suite takes codes."""
        return f"{self.suite}/test/a/{ALIAS}/callback"


@dataclass(frozen=True, slots=True)
class Registered:
    """A client for our import, and the same client for the suite."""

    ours: Json
    theirs: Json


def files(target: Target) -> dict[str, Any]:
    """Return file name -> content: `clients.json` for `gridwarden clients import`, the others for the suite."""
    secret_one, secret_two, posting = (_with_secret(target, number) for number in ("1", "2", "post"))
    bound = {kind: [_with_key(target, f"{kind}-{number}", kind) for number in (1, 2)] for kind in ("dpop", "mtls")}
    receiver = _receiver()
    clients = [secret_one, secret_two, posting, *bound["dpop"], *bound["mtls"], receiver]
    basic = _plan(target, client=secret_one.theirs, client2=secret_two.theirs, client_secret_post=posting.theirs)
    return {
        "clients.json": [client.ours for client in clients],
        "oidcc-basic.json": basic,
        "oidcc-config.json": _plan(target),
        "oidcc-dynamic.json": _plan(target, client={"client_name": ALIAS}),
        "oidcc-rp-initiated-logout.json": basic,
        "oidcc-back-channel-logout.json": basic,
        **{f"fapi2-security-profile-final-{kind}.json": _fapi2(target, *pair) for kind, pair in bound.items()},
        "ssf-transmitter.json": {"alias": ALIAS, "ssf": {"transmitter": {
            "issuer": target.issuer, "metadata_suffix": "/.well-known/ssf-configuration"}}, "client": receiver.theirs},
    }


def as_text(content: Any) -> str:
    """Return a file's text."""
    return json.dumps(content, indent=2) + "\n"


def _with_secret(target: Target, number: str) -> Registered:
    secret = secrets.token_urlsafe(32)
    client_id = f"conformance-{number}"
    ours = {
        "client_id": client_id, "client_secret": secret, "client_name": f"Conformance suite {number}",
        "redirect_uris": [target.callback, f"{target.callback}?dummy1=lorem&dummy2=ipsum"],
        "post_logout_redirect_uris": [f"{target.suite}/test/a/{ALIAS}/post_logout_redirect"],
        "backchannel_logout_uri": f"{target.suite}/test/a/{ALIAS}/backchannel_logout",
        "backchannel_logout_session_required": True, "grant_types": ["authorization_code", "refresh_token"],
        "scope": OIDC_SCOPES, "require_pkce": False, "id_token_signed_response_alg": "RS256",
        "token_endpoint_auth_method": "client_secret_post" if number == "post" else "client_secret_basic",
    }
    return Registered(ours, {"client_id": client_id, "client_secret": secret})


def _with_key(target: Target, number: str, constraint: str) -> Registered:
    key, client_id = ClientKey.new("PS256", slot=hash(number)), f"conformance-{number}"
    certificate = self_signed(f"CN={client_id}")
    ours = {
        "client_id": client_id, "client_name": f"Conformance suite {number}", "profile": "fapi2",
        "redirect_uris": [target.callback, f"{target.callback}?dummy1=lorem&dummy2=ipsum"],
        "grant_types": ["authorization_code", "refresh_token"], "scope": OIDC_SCOPES,
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256",
        "id_token_signed_response_alg": "PS256", "jwks": {"keys": [key.jwk]},
        "dpop_bound_access_tokens": constraint == "dpop",
        "tls_client_certificate_bound_access_tokens": constraint == "mtls",
    }
    theirs = {"client_id": client_id, "scope": OIDC_SCOPES, "jwks": {"keys": [key.private_jwk]}, "mtls": {
        "cert": certificate.pem.decode(), "key": certificate.key_pem.decode()}}
    return Registered(ours, theirs)


def _receiver() -> Registered:
    secret = secrets.token_urlsafe(32)
    ours = {"client_id": "conformance-receiver", "client_secret": secret, "client_name": "Conformance receiver",
            "grant_types": ["client_credentials"], "scope": "ssf.read ssf.manage", "roles": ["signal_receiver"]}
    return Registered(ours, {"client_id": "conformance-receiver", "client_secret": secret,
                             "scope": "ssf.read ssf.manage"})


def _plan(target: Target, **clients: Json) -> Json:
    again = {"browser": _browser(target, _signs_in(target, is_shown=True))}
    return {
        "alias": ALIAS, "description": "Gridwarden", "browser": _browser(target, _signs_in(target)),
        "server": {"discoveryUrl": f"{target.issuer}/.well-known/openid-configuration"}, **clients,
        "override": {"oidcc-prompt-login": again, "oidcc-max-age-1": again},
    }


def _fapi2(target: Target, first: Registered, second: Registered) -> Json:
    one, two = dict(first.theirs) | {"scope": ASKED_SCOPES}, dict(second.theirs)
    mtls, mtls2 = one.pop("mtls"), two.pop("mtls")
    return _plan(target, client=one, client2=two) | {
        "mtls": mtls, "mtls2": mtls2, "resource": {"resourceUrl": f"{target.issuer}/oauth2/userinfo"},
        "override": {
            f"{FAPI2}-user-rejects-authentication": {
                "browser": _browser(target, _signs_in(target), answer="deny"), "client": one | {"scope": OIDC_SCOPES}},
            f"{FAPI2}-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": {"browser": [
                {"match": f"{target.issuer}/oauth2/authorize*", "match-limit": 1, "tasks": [
                    _task("Leave", f"{target.issuer}/login*", SHOWN)]},
                *_browser(target, _signs_in(target))]},
        }}


def _signs_in(target: Target, *, is_shown: bool = False) -> Json:
    typed = [["text", "id", "name", target.name], ["text", "id", "password", target.password],
             ["click", "id", "sign-in"]]
    return _task("Sign in", f"{target.issuer}/login*", *([SHOWN] if is_shown else []), *typed)


def _browser(target: Target, sign_in: Json, *, answer: str = "allow") -> list[Json]:
    """Return what to do on our pages; whatever page is the last one is the picture that a module may want."""
    authorize, logout = f"{target.issuer}/oauth2/authorize*", f"{target.issuer}/oauth2/logout*"
    back = _task("Back at the suite", f"{target.suite}/test/*", ["wait", "id", "submission_complete", 10])
    return [
        {"match": authorize, "tasks": [
            _task("Refused", authorize, SHOWN), sign_in,
            _task("Answer", f"{target.issuer}/consent*", ["click", "id", answer]), back]},
        {"match": logout, "tasks": [
            _task("Log out", logout, ["click", "id", "log-out", "optional"]), _task("Refused", logout, SHOWN),
            _task("Signed out", f"{target.issuer}/logout*", SHOWN), back]},
    ]


def _task(name: str, match: str, *commands: list[Any]) -> Json:
    return {"task": name, "match": match, "optional": True, "commands": list(commands)}
