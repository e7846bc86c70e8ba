"""Every route of identity with its action: a table a subject, below the path of the issuer."""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from identity.http import operations
from identity.http.api.administration import AdministrationRoutes
from identity.http.api.clients import MAX_IMPORT, ClientRoutes
from identity.http.api.roles import RoleRoutes
from identity.http.api.sessions import session_endpoints
from identity.http.login_routes import factor_endpoints, login_endpoints
from identity.http.oauth.cross_origin import preflight
from identity.http.oauth.protocol import ProtocolRoutes
from identity.http.oauth.registration import RegistrationRoutes
from identity.http.oauth.userinfo import userinfo_endpoints
from identity.http.pages.authorize import AuthorizeRoutes
from identity.http.pages.cookies import Cookies
from identity.http.pages.device import DeviceRoutes
from identity.http.pages.forms import MAX_FORM
from identity.http.pages.front import Front
from identity.http.pages.language_switch import LanguageRoutes
from identity.http.pages.logout import LogoutRoutes
from identity.http.pages.rendering import Pages
from identity.http.pages.static_files import StaticRoutes
from identity.http.people_routes import people_endpoints
from identity.http.scim.routes import scim_endpoints
from identity.http.signals.receiving import receiver_endpoints
from identity.http.signals.routes import signal_endpoints
from identity.service import IdentityProvider
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import ANY, described


def endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return identity's routes: the provider's below the issuer's path, the API's at the root."""
    base = urlsplit(provider.issuer).path
    front = Front(provider, Pages(base, is_open=provider.people.enrolment.is_open), Cookies(provider.issuer), base)
    protocol = ProtocolRoutes(provider)
    api = (*_administration(AdministrationRoutes(provider)), *_roles(RoleRoutes(provider)),
           *_clients(ClientRoutes(provider)), *session_endpoints(provider))
    return (
        *operations.oauth(_discovery(protocol, base)),
        *operations.signals((*signal_endpoints(provider), *receiver_endpoints(provider))),
        *_below(base, (*operations.oauth((*_protocol(protocol), *userinfo_endpoints(provider))),
                       *operations.oauth(_registration(RegistrationRoutes(provider)), takes=ANY),
                       *operations.pages((*_pages(front), *people_endpoints(front))))),
        *described(api, operations.OPERATIONS),
        *operations.scim(scim_endpoints(provider)),
    )


def _below(base: str, routes: Iterable[Endpoint]) -> Iterable[Endpoint]:
    return (replace(route, path=base + route.path) for route in routes)


def _discovery(routes: ProtocolRoutes, base: str) -> tuple[Endpoint, ...]:
    """OIDC Discovery appends the well-known path to the issuer, RFC 8414 section 3 puts it before the issuer's path."""
    return (
        Endpoint("GET", f"{base}/.well-known/openid-configuration", "oauth.discovery", routes.discovery,
                 own_credentials=True),
        Endpoint("GET", f"/.well-known/oauth-authorization-server{base}", "oauth.discovery", routes.discovery,
                 own_credentials=True),
    )


def _protocol(routes: ProtocolRoutes) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/oauth2/jwks", "oauth.jwks", routes.jwks, own_credentials=True),
        Endpoint("POST", "/oauth2/token", "oauth.token", routes.token, max_body=MAX_FORM, own_credentials=True),
        Endpoint("POST", "/oauth2/device_authorization", "oauth.device", routes.authorize_device, max_body=MAX_FORM,
                 own_credentials=True),
        Endpoint("POST", "/oauth2/introspect", "oauth.introspect", routes.introspect, max_body=MAX_FORM,
                 own_credentials=True),
        Endpoint("POST", "/oauth2/par", "oauth.par", routes.push, max_body=MAX_FORM, own_credentials=True),
        Endpoint("POST", "/oauth2/revoke", "oauth.revoke", routes.revoke, max_body=MAX_FORM, own_credentials=True),
        *(Endpoint("OPTIONS", f"/oauth2/{name}", f"oauth.{name}", preflight, own_credentials=True)
          for name in ("token", "par", "revoke")),
    )


def _pages(front: Front) -> tuple[Endpoint, ...]:
    authorize, logout, static = AuthorizeRoutes(front), LogoutRoutes(front), StaticRoutes(front)
    device = DeviceRoutes(front)
    return (
        Endpoint("GET", "/oauth2/authorize", "oauth.authorize", authorize.authorize),
        Endpoint("POST", "/oauth2/authorize", "oauth.authorize", authorize.authorize_form, max_body=MAX_FORM),
        Endpoint("GET", "/select-account", "consent.page", authorize.account_page),
        Endpoint("POST", "/select-account", "consent.submit", authorize.account, max_body=MAX_FORM),
        Endpoint("GET", "/consent", "consent.page", authorize.consent_page),
        Endpoint("POST", "/consent", "consent.submit", authorize.consent, max_body=MAX_FORM),
        Endpoint("GET", "/device", "oauth.device_page", device.page),
        Endpoint("POST", "/device", "oauth.device_submit", device.submit, max_body=MAX_FORM),
        *login_endpoints(front, authorize),
        *factor_endpoints(front),
        Endpoint("GET", "/oauth2/logout", "logout.page", logout.logout_page),
        Endpoint("POST", "/oauth2/logout", "logout.page", logout.logout_page, max_body=MAX_FORM),
        Endpoint("GET", "/logout", "logout.page", logout.logout_page),
        Endpoint("POST", "/logout", "logout.submit", logout.logout, max_body=MAX_FORM),
        Endpoint("POST", "/language", "login.page", LanguageRoutes(front).switch, max_body=MAX_FORM),
        Endpoint("GET", "/identity/style.css", "login.page", static.style),
        Endpoint("GET", "/identity/mark.svg", "login.page", static.mark),
        Endpoint("GET", "/identity/passkeys.js", "login.page", static.passkeys),
        Endpoint("GET", "/identity/form_post.js", "login.page", static.form_post),
    )


def _administration(routes: AdministrationRoutes) -> tuple[Endpoint, ...]:
    one = "/api/v1/users/{user_id}"
    return (
        Endpoint("GET", "/api/v1/users", "users.read", routes.users),
        Endpoint("POST", "/api/v1/users", "users.write", routes.create_user),
        Endpoint("GET", "/api/v1/users/me", "users.me", routes.me),
        Endpoint("GET", one, "users.read", routes.user),
        Endpoint("PATCH", one, "users.write", routes.change_user),
        Endpoint("DELETE", one, "users.write", routes.delete_user),
        Endpoint("GET", f"{one}/sessions", "users.read", routes.sessions),
        Endpoint("DELETE", f"{one}/sessions/{{session_id}}", "users.lock", routes.end_session),
        Endpoint("POST", f"{one}/reset-factors", "users.write", routes.reset_factors),
        Endpoint("POST", f"{one}/mail-password", "users.write", routes.mail_password),
        Endpoint("PUT", "/api/v1/users/{user_id}/roles", "users.write", routes.set_roles),
        Endpoint("POST", "/api/v1/users/{user_id}/lock", "users.lock", routes.lock),
        Endpoint("POST", "/api/v1/users/{user_id}/unlock", "users.lock", routes.unlock),
        Endpoint("POST", "/api/v1/users/{user_id}/revoke-sessions", "users.lock", routes.revoke_sessions),
    )


def _roles(routes: RoleRoutes) -> tuple[Endpoint, ...]:
    one = "/api/v1/roles/{role_id}"
    return (
        Endpoint("GET", "/api/v1/roles", "users.read", routes.roles),
        Endpoint("POST", "/api/v1/roles", "users.write", routes.create),
        Endpoint("GET", one, "users.read", routes.role),
        Endpoint("PATCH", one, "users.write", routes.describe),
        Endpoint("DELETE", one, "users.write", routes.delete),
    )


def _clients(routes: ClientRoutes) -> tuple[Endpoint, ...]:
    one = "/api/v1/clients/{client_id}"
    return (
        Endpoint("GET", "/api/v1/clients", "clients.read", routes.clients),
        Endpoint("POST", "/api/v1/clients", "clients.write", routes.create),
        Endpoint("POST", "/api/v1/clients/import", "clients.write", routes.bring, max_body=MAX_IMPORT),
        Endpoint("GET", one, "clients.read", routes.client),
        Endpoint("PUT", one, "clients.write", routes.update),
        Endpoint("DELETE", one, "clients.write", routes.delete),
        Endpoint("POST", f"{one}/rotate-secret", "clients.write", routes.rotate_secret),
        Endpoint("GET", "/api/v1/client-invitations", "clients.read", routes.invitations),
        Endpoint("POST", "/api/v1/client-invitations", "clients.write", routes.invite),
        Endpoint("DELETE", "/api/v1/client-invitations/{invitation_id}", "clients.write", routes.uninvite),
    )


def _registration(routes: RegistrationRoutes) -> tuple[Endpoint, ...]:
    one = "/oauth2/register/{client_id}"
    return (
        Endpoint("POST", "/oauth2/register", "oauth.register", routes.register, own_credentials=True),
        Endpoint("GET", one, "oauth.register", routes.read, own_credentials=True),
        Endpoint("PUT", one, "oauth.register", routes.replace, own_credentials=True),
        Endpoint("DELETE", one, "oauth.register", routes.remove, own_credentials=True),
    )
