"""A browser without a screen: follows redirects, fills in our plain forms, stops where the client takes over."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

import httpx2 as httpx

from control_plane.tls.contexts import trusting

MAX_PAGES = 12


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, what it holds, which named buttons it has."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms and given.get("name"):
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))


class Walker:
    """One person's browser."""

    def __init__(self, name: str, password: str, *, trust: Path | None = None) -> None:
        self._answers = {"name": name, "password": password}
        self._http = httpx.AsyncClient(verify=trusting(trust), timeout=30)
        self.seen: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def walk(self, url: str, *, until: str) -> str:
        """Go on from `url`, allowing and confirming what is asked, until a redirect leads to `until`; return that."""
        response = await self._http.get(url)
        for _ in range(MAX_PAGES):
            self.seen.append(str(response.url))
            if response.is_redirect:
                target = urljoin(str(response.url), response.headers["location"])
                if target.startswith(until):
                    return target
                response = await self._http.get(target)
                continue
            form = _form_to_answer(response.text)
            assert form is not None, f"{response.status_code} {response.url}: {response.text[-800:]}"
            response = await self._http.post(urljoin(str(response.url), form.action), data=self._filled(form))
        raise AssertionError(f"no end in sight: {self.seen}")

    async def fill_in(self, url: str) -> httpx.Response:
        """Go on from `url` until a page asks for nothing more; return that page."""
        response = await self._http.get(url)
        for _ in range(MAX_PAGES):
            form = None if response.is_redirect else _form_to_answer(response.text)
            if response.is_redirect:
                response = await self._http.get(urljoin(str(response.url), response.headers["location"]))
            elif form is None:
                return response
            else:
                response = await self._http.post(urljoin(str(response.url), form.action), data=self._filled(form))
        raise AssertionError(f"no end in sight: {response.url}")

    async def get(self, url: str) -> httpx.Response:
        """Open a page, following redirects of its own site."""
        return await self._http.get(url, follow_redirects=True)

    async def first_redirect(self, url: str) -> str:
        """Return where a page sends the browser."""
        return str((await self._http.get(url)).headers.get("location", ""))

    def _filled(self, form: Form) -> dict[str, str]:
        filled = form.fields | {name: value for name, value in self._answers.items() if name in form.fields}
        allow = next((each for each in form.buttons if each[1] in {"allow", "yes", "continue"}), None)
        return filled | (dict([allow]) if allow else {})


def _form_to_answer(page: str) -> Form | None:
    reader = _Reader()
    reader.feed(page)
    wanted = [form for form in reader.forms if "interaction" in form.fields]
    return wanted[0] if wanted else None
