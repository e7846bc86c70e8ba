"""The routes of people: registration, the account page, the administrators' pages."""

from identity.http.pages.account import AccountRoutes
from identity.http.pages.administrators import Administrators
from identity.http.pages.clients_admin import ClientsAdminRoutes
from identity.http.pages.forms import MAX_FORM
from identity.http.pages.front import Front
from identity.http.pages.people_admin import PeopleAdminRoutes
from identity.http.pages.register import RegisterRoutes
from shared_kernel.endpoint import Endpoint, Handler


def people_endpoints(front: Front) -> tuple[Endpoint, ...]:
    """Return every page for people beyond the login."""
    administrators = Administrators(front)
    return (
        *_registration(RegisterRoutes(front)), *_account(AccountRoutes(front)),
        *_people(PeopleAdminRoutes(administrators)), *_clients(ClientsAdminRoutes(administrators)),
    )


def _registration(routes: RegisterRoutes) -> tuple[Endpoint, ...]:
    return (
        _get("/register", "register.page", routes.register_page),
        _post("/register", "register.submit", routes.register),
        _post("/register/resend", "register.submit", routes.resend),
        _get("/verify", "register.page", routes.verify_page),
        _post("/verify", "register.submit", routes.verify),
        _post("/forgotten-password", "register.submit", routes.forgotten),
        _get("/reset-password", "register.page", routes.reset_page),
        _post("/reset-password", "register.submit", routes.reset),
        _get("/confirm-email", "register.page", routes.confirm_page),
        _post("/confirm-email", "register.submit", routes.confirm),
    )


def _account(routes: AccountRoutes) -> tuple[Endpoint, ...]:
    return (
        _get("/account", "account.page", routes.page),
        _post("/account/profile", "account.change", routes.profile),
        _post("/account/email", "account.change", routes.email),
        _post("/account/password", "account.change", routes.password),
        _post("/account/sessions/end", "account.change", routes.end_session),
        _post("/account/sessions/end-others", "account.change", routes.end_other_sessions),
        _post("/account/devices/forget", "account.change", routes.forget_device),
        _post("/account/applications/revoke", "account.change", routes.revoke_application),
    )


def _people(routes: PeopleAdminRoutes) -> tuple[Endpoint, ...]:
    return (
        _get("/people", "people.admin", routes.people),
        _post("/people", "people.admin", routes.create),
        _get("/people/users/{user_id}", "people.admin", routes.person),
        _post("/people/users/{user_id}/{change}", "people.admin", routes.change),
        _get("/people/roles", "people.admin", routes.roles),
        _post("/people/roles", "people.admin", routes.create_role),
        _post("/people/roles/{role_id}/describe", "people.admin", routes.describe_role),
        _post("/people/roles/{role_id}/delete", "people.admin", routes.delete_role),
    )


def _clients(routes: ClientsAdminRoutes) -> tuple[Endpoint, ...]:
    one = "/people/clients/{client_id}"
    return (
        _get("/people/clients", "people.admin", routes.clients),
        _post("/people/clients", "people.admin", routes.create),
        _get(one, "people.admin", routes.client),
        _post(f"{one}/edit", "people.admin", routes.edit),
        _post(f"{one}/rotate-secret", "people.admin", routes.rotate),
        _post(f"{one}/delete", "people.admin", routes.delete),
    )


def _get(path: str, action: str, handler: Handler) -> Endpoint:
    return Endpoint("GET", path, action, handler)


def _post(path: str, action: str, handler: Handler) -> Endpoint:
    return Endpoint("POST", path, action, handler, max_body=MAX_FORM)
