"""The pages of a person's own factors, below the account page.

Every form is sealed for the browser and the session it was shown in; a login that is too old, or too weak, leads to
the login page first and back.
"""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import segno
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.assurance import MFA
from identity.domain.people.factors import MAX_FACTORS, Factors, Passkey, Totp
from identity.domain.people.interactions import Purpose, StaleInteractionError, Wishes
from identity.domain.records import Session
from identity.http.pages.forms import form_fields
from identity.http.pages.front import Front
from identity.http.pages.rendering import page_headers, see_other
from identity.service.people.factors.desk import KINDS, Added, ReauthenticationDueError, UnknownFactorError
from identity.service.people.factors.passkeys import PasskeyRefusedError
from shared_kernel.clock import to_iso
from shared_kernel.context import RequestContext, context_of
from shared_kernel.errors import ConflictError, UnprocessableError

PATH = "/account/factors"
Fields = dict[str, str]
Change = Callable[[Session, Fields, str, RequestContext], Awaitable[Response]]


class FactorRoutes:
    """Handlers of /account/factors."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._desk = front.provider.door.factors

    async def page(self, request: Request) -> Response:
        """Show the person's factors."""
        session = await self._session(request)
        if session is None:
            return self._to_login(request, PATH)
        try:
            return await self._listed(request, session)
        except ReauthenticationDueError:
            return self._to_login(request, PATH)

    async def begin_totp(self, request: Request) -> Response:
        """Begin to enrol an app (303)."""

        async def change(session: Session, _: Fields, __: str, ___: RequestContext) -> Response:
            return see_other(f"{self._front.base}{PATH}/totp/{await self._desk.begin_totp(session)}")

        return await self._changed(request, change)

    async def totp(self, request: Request) -> Response:
        """Show what to scan."""
        session, factor_id = await self._session(request), request.path_params["factor_id"]
        if session is None:
            return self._to_login(request, PATH)
        try:
            return await self._totp_form(request, session, factor_id)
        except ReauthenticationDueError:
            return self._to_login(request, PATH)
        except UnknownFactorError:
            return see_other(f"{self._front.base}{PATH}")

    async def qr(self, request: Request) -> Response:
        """Serve what to scan as a picture, to the session that enrols and to nobody else."""
        session = await self._session(request)
        if session is None:
            raise UnknownFactorError
        shown = await self._desk.new_totp(session, request.path_params["factor_id"])
        picture = BytesIO()
        segno.make(shown.uri, error="m").save(picture, kind="svg", scale=4, border=3, dark="#000", light="#fff",
                                              xmldecl=False)
        return Response(picture.getvalue(), media_type="image/svg+xml", headers=page_headers())

    async def confirm_totp(self, request: Request) -> Response:
        """Take the first code of an app; the first factor comes with recovery codes."""
        factor_id = request.path_params["factor_id"]

        async def change(session: Session, fields: Fields, _: str, context: RequestContext) -> Response:
            try:
                added = await self._desk.confirm_totp(session, factor_id, fields.get("code", ""),
                                                      name=fields.get("name", ""), context=context)
            except UnprocessableError as error:
                return await self._totp_form(request, session, factor_id, failure=error.detail)
            return self._done(request, added)

        return await self._changed(request, change)

    async def add_passkey(self, request: Request) -> Response:
        """Take the passkey a browser made."""

        async def change(session: Session, fields: Fields, browser: str, context: RequestContext) -> Response:
            added = await self._desk.add_passkey(session, fields.get("credential", ""), name=fields.get("name", ""),
                                                 browser=browser, context=context)
            return self._done(request, added)

        return await self._changed(request, change)

    async def rename(self, request: Request) -> Response:
        """Rename a factor (303)."""
        kind, factor_id = _named(request)

        async def change(session: Session, fields: Fields, _: str, context: RequestContext) -> Response:
            await self._desk.rename(session, kind, factor_id, name=fields.get("name", ""), context=context)
            return see_other(f"{self._front.base}{PATH}")

        return await self._changed(request, change)

    async def remove(self, request: Request) -> Response:
        """Remove a factor (303)."""
        kind, factor_id = _named(request)

        async def change(session: Session, _: Fields, __: str, context: RequestContext) -> Response:
            await self._desk.remove(session, kind, factor_id, context=context)
            return see_other(f"{self._front.base}{PATH}")

        return await self._changed(request, change)

    async def recovery_codes(self, request: Request) -> Response:
        """Make new recovery codes and show them, this once."""

        async def change(session: Session, _: Fields, __: str, context: RequestContext) -> Response:
            codes = await self._desk.new_recovery_codes(session, context=context)
            return self._front.pages.render(request, "recovery_codes.html", back=self._front.base + PATH, codes=codes)

        return await self._changed(request, change)

    async def _changed(self, request: Request, change: Change) -> Response:
        """Carry a form out: its seal, its session and the freshness of the login hold, or nothing happens."""
        fields, browser = await form_fields(request), self._front.cookies.browser(request)
        session = await self._session(request)
        if session is None:
            return self._to_login(request, PATH)
        try:
            interaction = self._front.provider.unseal(fields.get("interaction", ""), Purpose.FACTORS, browser=browser)
        except StaleInteractionError:
            return self._front.stale(request)
        if interaction.session_id != session.id:
            return self._front.stale(request)
        try:
            return await change(session, fields, browser, context_of(request.scope))
        except ReauthenticationDueError:
            return self._to_login(request, PATH)
        except (UnprocessableError, ConflictError, PasskeyRefusedError, UnknownFactorError) as error:
            return await self._listed(request, session, failure=error.detail)

    async def _listed(self, request: Request, session: Session, *, failure: str | None = None) -> Response:
        factors = await self._desk.check(session)
        browser, has_room = self._front.cookies.browser_or_new(request), len(factors.passkeys) < MAX_FACTORS
        options = await self._desk.passkey_options(session, browser=browser) if has_room else None
        return self._sealed(request, session, browser, "factors.html", status=422 if failure else 200,
                            with_script=True, failure=self._told(request, failure),
                            passkey_options=options, **_shown(factors))

    async def _totp_form(self, request: Request, session: Session, factor_id: str, *,
                         failure: str | None = None) -> Response:
        shown = await self._desk.new_totp(session, factor_id)
        told = self._front.pages.translate(request)("factors.wrong_code") if failure else None
        return self._sealed(request, session, self._front.cookies.browser_or_new(request), "factor_totp.html",
                            status=422 if failure else 200, failure=told, factor_id=factor_id, secret=shown.secret)

    def _sealed(self, request: Request, session: Session, browser: str, template: str, **values: Any) -> Response:  # noqa: ANN401 - a template's values
        text = self._front.provider.seal(Purpose.FACTORS, "", browser=browser, session=session)
        response = self._front.pages.render(request, template, interaction=text, back=f"{self._front.base}{PATH}",
                                            **values)
        self._front.cookies.set_browser(response, browser)
        return response

    def _done(self, request: Request, added: Added) -> Response:
        if not added.recovery_codes:
            return see_other(f"{self._front.base}{PATH}")
        return self._front.pages.render(request, "recovery_codes.html", back=self._front.base + PATH,
                                        codes=added.recovery_codes)

    def _told(self, request: Request, failure: str | None) -> str | None:
        return self._front.pages.translate(request)("factors.not_done", why=failure) if failure else None

    def _to_login(self, request: Request, after: str) -> Response:
        """Lead to the login page, for as strong a login as the person can give, and back here."""
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(Purpose.LOGIN, "", browser=browser,
                                         wishes=Wishes(acr_values=(MFA,), after=after))
        response = see_other(f"{self._front.base}/login?interaction={text}")
        self._front.cookies.set_browser(response, browser)
        return response

    async def _session(self, request: Request) -> Session | None:
        return await self._front.provider.session(self._front.cookies.session(request))


def _named(request: Request) -> tuple[str, str]:
    kind = request.path_params["kind"]
    if kind not in KINDS:
        raise UnknownFactorError
    return kind, request.path_params["factor_id"]


def _shown(factors: Factors) -> dict[str, Any]:
    return {"totps": [_row(each, is_synced=False) for each in factors.totps],
            "passkeys": [_row(each, is_synced=each.is_backed_up) for each in factors.passkeys],
            "codes_left": factors.recovery_codes_left}


def _row(factor: Totp | Passkey, *, is_synced: bool) -> dict[str, Any]:
    return {"id": factor.id, "name": factor.name, "added": _day(factor.created_at_us), "is_synced": is_synced,
            "used": _day(factor.used_at_us) if factor.used_at_us else None}


def _day(at_us: int) -> str:
    return to_iso(at_us)[:10]
