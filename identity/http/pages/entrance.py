"""What follows from a try to log in: a session and what the person came for, or the page of the step that is due."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.interactions import Interaction, Purpose
from identity.http.pages.authorize import AuthorizeRoutes
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from identity.service.people.outcomes import LoginOutcome, SignedIn, StepDue, Visit


@dataclass(frozen=True, slots=True)
class Brought:
    """A form of the login with the memory it was sealed with; `browser` is whose it is."""

    text: str
    interaction: Interaction
    browser: str


class Entrance:
    """Shared by the pages of the login."""

    def __init__(self, front: Front, authorize: AuthorizeRoutes) -> None:
        self.front = front
        self._authorize = authorize

    def visit(self, request: Request) -> Visit:
        """Return the browser at the door."""
        return self.front.cookies.visit(request)

    def brought(self, request: Request, text: str) -> Brought:
        """Return the memory of a login form; raise StaleInteractionError."""
        browser = self.front.cookies.browser(request)
        return Brought(text, self.front.provider.unseal(text, Purpose.LOGIN, browser=browser), browser)

    async def go_on(self, request: Request, brought: Brought, outcome: LoginOutcome) -> Response:
        """Set the cookies and lead on (303)."""
        if isinstance(outcome, StepDue):
            return self.to_step(brought, outcome)
        response = await self._arrived(request, brought.interaction, outcome)
        cookies = self.front.cookies
        cookies.set_session(response, outcome.cookie.text)
        cookies.set_device(response, outcome.device.text)
        cookies.clear_step(response)
        return response

    def to_step(self, brought: Brought, due: StepDue) -> Response:
        """Lead to the page of the second factor; the browser is nobody until then."""
        response = see_other(f"{self.front.base}/login/factor?interaction={brought.text}")
        self.front.cookies.set_step(response, due.cookie.text)
        return response

    async def _arrived(self, request: Request, interaction: Interaction, signed_in: SignedIn) -> Response:
        if interaction.query:
            return await self._authorize.resume(
                request, interaction.query, signed_in.cookie.text, interaction.asked_at_us, interaction.answered)
        return see_other(f"{self.front.base}{interaction.wishes.after or '/login'}")
