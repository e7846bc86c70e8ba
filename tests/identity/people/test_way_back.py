"""The language switch on a page that answered a form leads to a page, never to an address that only takes forms."""

import pytest
from starlette.requests import Request

from identity.http.pages.rendering import Pages


@pytest.mark.parametrize(("posted", "page"), [
    ("/forgotten-password", "/reset-password"),
    ("/register/resend", "/register"),
    ("/account/profile", "/account"),
    ("/account/sessions/end", "/account"),
    ("/people/users/01a1/lock", "/people/users/01a1"),
    ("/people/clients/one/edit", "/people/clients/one"),
    ("/people/roles/7/delete", "/people/roles"),
    ("/people/roles", "/people/roles"),
    ("/auth/account/email", "/auth/account"),
])
def test_the_switch_leads_back_to_the_page_a_refused_form_stood_on(posted: str, page: str) -> None:
    request = Request({"type": "http", "method": "POST", "path": posted, "query_string": b"", "headers": []})

    shown = Pages("").render(request, "sorry.html", sentence="no", detail=None, reference="1")

    assert f'name="back" value="{page}"'.encode() in bytes(shown.body)
