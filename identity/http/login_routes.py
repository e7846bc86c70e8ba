"""The routes of the login and of a person's own factors."""

from identity.http.pages.authorize import AuthorizeRoutes
from identity.http.pages.entrance import Entrance
from identity.http.pages.factors import PATH, FactorRoutes
from identity.http.pages.forms import MAX_FORM
from identity.http.pages.front import Front
from identity.http.pages.login import LoginRoutes
from identity.http.pages.second_factor import SecondFactorRoutes
from shared_kernel.endpoint import Endpoint


def login_endpoints(front: Front, authorize: AuthorizeRoutes) -> tuple[Endpoint, ...]:
    """Return the routes of the login."""
    entrance = Entrance(front, authorize)
    login = LoginRoutes(entrance)
    second = SecondFactorRoutes(entrance, login)
    return (
        Endpoint("GET", "/login", "login.page", login.login_page),
        Endpoint("POST", "/login", "login.submit", login.login, max_body=MAX_FORM),
        Endpoint("GET", "/login/factor", "login.page", second.page),
        Endpoint("POST", "/login/factor", "login.submit", second.submit, max_body=MAX_FORM),
    )


def factor_endpoints(front: Front) -> tuple[Endpoint, ...]:
    """Return the routes of factors: the browser's session decides whose."""
    routes = FactorRoutes(front)
    return (
        Endpoint("GET", PATH, "login.factors", routes.page),
        Endpoint("POST", f"{PATH}/totp", "login.factors", routes.begin_totp, max_body=MAX_FORM),
        Endpoint("GET", f"{PATH}/totp/{{factor_id}}", "login.factors", routes.totp),
        Endpoint("GET", f"{PATH}/totp/{{factor_id}}/qr.svg", "login.factors", routes.qr),
        Endpoint("POST", f"{PATH}/totp/{{factor_id}}", "login.factors", routes.confirm_totp, max_body=MAX_FORM),
        Endpoint("POST", f"{PATH}/passkey", "login.factors", routes.add_passkey, max_body=MAX_FORM),
        Endpoint("POST", f"{PATH}/recovery-codes", "login.factors", routes.recovery_codes, max_body=MAX_FORM),
        Endpoint("POST", f"{PATH}/{{kind}}/{{factor_id}}/rename", "login.factors", routes.rename, max_body=MAX_FORM),
        Endpoint("POST", f"{PATH}/{{kind}}/{{factor_id}}/remove", "login.factors", routes.remove, max_body=MAX_FORM),
    )
