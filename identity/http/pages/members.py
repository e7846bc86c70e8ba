"""Pages for people who are logged in: their session, forms sealed to it, and the way through the login and back."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.parameters import unique
from identity.domain.people.interactions import Purpose, StaleInteractionError, Wishes
from identity.domain.records import Session
from identity.http.pages.forms import form_pairs
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from shared_kernel.errors import InvalidInputError


class Members:
    """Knows who is at a page of the members."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def session(self, request: Request) -> Session | None:
        """Return the live session of the browser."""
        return await self._front.provider.session(self._front.cookies.session(request))

    def to_login(self, request: Request, after: str, *, acr_values: Sequence[str] = ()) -> Response:
        """Lead through the login, or its further factor, and to a path of ours."""
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(Purpose.LOGIN, "", browser=browser, wishes=Wishes(
            acr_values=tuple(acr_values), is_step_up=bool(acr_values), after=after))
        response = see_other(f"{self._front.base}/login?interaction={text}")
        self._front.cookies.set_browser(response, browser)
        return response

    def page(self, request: Request, template: str, session: Session, *, purpose: Purpose, status: int = 200,
             **values: Any) -> Response:  # noqa: ANN401 - a template's values
        """Return a page whose forms are sealed to this browser and session."""
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(purpose, "", browser=browser, session=session)
        response = self._front.pages.render(request, template, status=status, interaction=text, session=session,
                                            **values)
        self._front.cookies.set_browser(response, browser)
        return response

    async def posted(self, request: Request, purpose: Purpose) -> tuple[dict[str, str], Session]:
        """Return a form's fields and the session it was shown to; raise StaleInteractionError for any other.

        The line breaks of text areas arrive as spaces.
        """
        fields, broken = unique((name, value.replace("\r\n", " ")) for name, value in await form_pairs(request))
        if broken:
            raise InvalidInputError("a form field stands twice or holds control characters")
        interaction = self._front.provider.unseal(
            fields.pop("interaction", ""), purpose, browser=self._front.cookies.browser(request))
        session = await self.session(request)
        if session is None or session.id != interaction.session_id:
            raise StaleInteractionError
        return fields, session
