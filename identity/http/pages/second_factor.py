"""The page between the password and the session: a code, a passkey, or a mailed code."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.factors import reaching
from identity.domain.people.interactions import StaleInteractionError
from identity.http.pages.entrance import Brought, Entrance
from identity.http.pages.forms import form_fields
from identity.http.pages.login import LoginRoutes
from identity.http.pages.rendering import see_other
from identity.service.people.outcomes import SignedIn
from identity.service.people.second_factor import StepEndedError, StepRefusedError, Waiting
from shared_kernel.context import context_of

Fields = Mapping[str, str]


class SecondFactorRoutes:
    """Handlers of the second factor; the step's cookie says whose it is, and is good for nothing else."""

    def __init__(self, entrance: Entrance, login: LoginRoutes) -> None:
        self._entrance = entrance
        self._front = entrance.front
        self._steps = entrance.front.provider.door.steps
        self._login = login

    async def page(self, request: Request) -> Response:
        """Ask for the second factor."""
        try:
            brought = self._entrance.brought(request, request.query_params.get("interaction", ""))
            waiting = await self._waiting(request)
        except StaleInteractionError:
            return self._front.stale(request)
        except StepEndedError:
            return self._ended(request, brought)
        return self._form(request, brought, waiting)

    async def submit(self, request: Request) -> Response:
        """Take a code or a passkey, or mail a code (303)."""
        fields = await form_fields(request)
        try:
            brought = self._entrance.brought(request, fields.get("interaction", ""))
        except StaleInteractionError:
            return self._front.stale(request)
        try:
            waiting = await self._waiting(request)
            if "mail" in fields:
                await self._steps.mail_code(waiting)
                return see_other(f"{self._front.base}/login/factor?interaction={brought.text}")
            outcome = await self._taken(request, fields, brought, waiting)
        except StepRefusedError:
            return self._form(request, brought, waiting, failure="login.factor_refused")
        except StepEndedError:
            return self._ended(request, brought)
        return await self._entrance.go_on(request, brought, outcome)

    async def _taken(self, request: Request, fields: Fields, brought: Brought, waiting: Waiting) -> SignedIn:
        visit, context = self._entrance.visit(request), context_of(request.scope)
        if "credential" in fields:
            return await self._steps.take_passkey(
                waiting, fields["credential"], browser=brought.browser, visit=visit, context=context)
        return await self._steps.take_code(waiting, fields.get("code", ""), visit=visit, context=context)

    async def _waiting(self, request: Request) -> Waiting:
        return await self._steps.waiting(self._front.cookies.step(request), visit=self._entrance.visit(request),
                                         context=context_of(request.scope))

    def _form(self, request: Request, brought: Brought, waiting: Waiting, *, failure: str | None = None) -> Response:
        wishes = brought.interaction.wishes
        methods = reaching(waiting.methods, wishes.acr_values) or waiting.methods
        return self._front.pages.render(
            request, "second_factor.html", status=403 if failure else 200, form_target=wishes.form_target,
            ui_locales=wishes.ui_locales, with_script="passkey" in methods, interaction=brought.text,
            failure=failure, methods=methods, name=waiting.user.name, is_mailed=waiting.step.mail_code_hash is not None,
            passkey_options=self._steps.passkey_options(waiting, browser=brought.browser))

    def _ended(self, request: Request, brought: Brought) -> Response:
        response = self._login.form(request, brought, failure="login.step_ended")
        self._front.cookies.clear_step(response)
        return response
