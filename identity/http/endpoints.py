"""Every route of identity with its action: a table."""

from urllib.parse import urlsplit

from identity.http.api.administration import AdministrationRoutes
from identity.http.forms import MAX_FORM
from identity.http.oauth.protocol import ProtocolRoutes
from identity.http.pages.browser import BrowserRoutes
from identity.http.pages.cookies import Cookies
from identity.http.pages.rendering import Pages
from identity.service import IdentityProvider
from shared_kernel.endpoint import Endpoint


def endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return identity's routes."""
    base = urlsplit(provider.issuer).path
    protocol = ProtocolRoutes(provider)
    browser = BrowserRoutes(provider, Pages(base), Cookies(provider.issuer), base=base)
    return (*_protocol(protocol), *_browser(browser), *_administration(AdministrationRoutes(provider)))


def _protocol(routes: ProtocolRoutes) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/.well-known/openid-configuration", "oauth.discovery", routes.discovery),
        Endpoint("GET", "/.well-known/oauth-authorization-server", "oauth.discovery", routes.discovery),
        Endpoint("GET", "/oauth2/jwks", "oauth.jwks", routes.jwks),
        Endpoint("POST", "/oauth2/token", "oauth.token", routes.token, max_body=MAX_FORM),
        Endpoint("POST", "/oauth2/introspect", "oauth.introspect", routes.introspect, max_body=MAX_FORM),
        Endpoint("POST", "/oauth2/revoke", "oauth.revoke", routes.revoke, max_body=MAX_FORM),
        Endpoint("GET", "/oauth2/userinfo", "oauth.userinfo", routes.userinfo),
        Endpoint("POST", "/oauth2/userinfo", "oauth.userinfo", routes.userinfo, max_body=MAX_FORM),
    )


def _browser(routes: BrowserRoutes) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/oauth2/authorize", "oauth.authorize", routes.authorize),
        Endpoint("GET", "/login", "login.page", routes.login_page),
        Endpoint("POST", "/login", "login.submit", routes.login, max_body=MAX_FORM),
        Endpoint("GET", "/consent", "consent.page", routes.consent_page),
        Endpoint("POST", "/consent", "consent.submit", routes.consent, max_body=MAX_FORM),
        Endpoint("GET", "/oauth2/logout", "logout.page", routes.logout_page),
        Endpoint("POST", "/oauth2/logout", "logout.page", routes.logout_page, max_body=MAX_FORM),
        Endpoint("GET", "/logout", "logout.page", routes.logout_page),
        Endpoint("POST", "/logout", "logout.submit", routes.logout, max_body=MAX_FORM),
        Endpoint("GET", "/identity/style.css", "login.page", routes.style),
        Endpoint("GET", "/identity/mark.svg", "login.page", routes.mark),
    )


def _administration(routes: AdministrationRoutes) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/api/v1/users", "users.read", routes.users),
        Endpoint("POST", "/api/v1/users", "users.write", routes.create_user),
        Endpoint("GET", "/api/v1/users/me", "users.me", routes.me),
        Endpoint("PUT", "/api/v1/users/{user_id}/roles", "users.write", routes.set_roles),
        Endpoint("POST", "/api/v1/users/{user_id}/lock", "users.lock", routes.lock),
        Endpoint("POST", "/api/v1/users/{user_id}/unlock", "users.lock", routes.unlock),
        Endpoint("POST", "/api/v1/users/{user_id}/revoke-sessions", "users.lock", routes.revoke_sessions),
        Endpoint("GET", "/api/v1/clients", "clients.read", routes.clients),
        Endpoint("POST", "/api/v1/clients", "clients.write", routes.create_client),
    )
