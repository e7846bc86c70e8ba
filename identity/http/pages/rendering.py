"""Rendering: Jinja2 with autoescape, a strict CSP, the reader's language, and headers against caches and frames."""

import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from identity.domain.languages import chosen
from identity.domain.oauth.redirect_uris import origin_of
from identity.http.pages.cookies import LANGUAGE_COOKIE
from identity.http.pages.languages import Languages, Translate

_CACHE_STYLE = "public, max-age=86400"
_STATIC_TYPES = {"css": "text/css", "svg": "image/svg+xml", "js": "text/javascript"}


class Pages:
    """Renders identity's pages; `base` is the path of the issuer, `is_open` whether strangers may register."""

    def __init__(self, base: str, *, is_open: bool = False) -> None:
        self._base, self._is_open = base, is_open
        self.languages = Languages()
        self._static = {each.name: each.read_bytes() for each in (files("identity.http") / "static").iterdir()}

    def language(self, request: Request, ui_locales: str | None = None) -> str:
        """Return the language to answer a request in."""
        return chosen(switched=request.cookies.get(LANGUAGE_COOKIE), ui_locales=ui_locales,
                      accepted=request.headers.get("accept-language"))

    def translate(self, request: Request, ui_locales: str | None = None) -> Translate:
        """Return `t` for sentences that a handler puts together."""
        return self.languages.translate(self.language(request, ui_locales))

    def render(self, request: Request, template: str, *, status: int = 200,  # noqa: PLR0913 - a page's parts
               form_target: str | None = None, ui_locales: str | None = None, with_script: bool = False,
               **values: object) -> HTMLResponse:
        """Return a page in the reader's language; templates have `t`, `language`, `base` and `back`.

        `form_target` is where its form's redirect may end besides here; `with_script` lets it load our own scripts.
        """
        language = self.language(request, ui_locales)
        text = _environment().get_template(template).render(
            base=self._base, language=language, t=self.languages.translate(language), registration_open=self._is_open,
            **({"back": _back(request, values.get("interaction"))} | values))
        headers = page_headers(form_target, with_script=with_script) | {"Content-Language": language}
        return HTMLResponse(text, status, headers=headers)

    def static(self, name: str) -> Response:
        """Return one of the static files, by its name."""
        return Response(self._static[name], media_type=_STATIC_TYPES[name.rpartition(".")[2]],
                        headers={"Cache-Control": _CACHE_STYLE, "X-Content-Type-Options": "nosniff"})


@cache
def _environment() -> Environment:
    """Return what compiles templates, once a process."""
    return Environment(loader=PackageLoader("identity.http", "templates"), autoescape=True,
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _back(request: Request, interaction: object) -> str:
    """Return where the language switch leads back to: here, and after a POST to the page its form stood on."""
    if request.method != "POST":
        return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    for pattern, page in _FORMS:
        if pattern.search(request.url.path):
            return pattern.sub(page, request.url.path)
    return f"{request.url.path}?interaction={interaction}" if interaction else request.url.path


_FORMS = (
    (re.compile(r"/forgotten-password$"), "/reset-password"),
    (re.compile(r"/register/resend$"), "/register"),
    (re.compile(r"(/people/(?:users|clients)/[^/]+)/[^/]+$"), r"\1"),
    (re.compile(r"/people/roles/.+$"), "/people/roles"),
    (re.compile(r"/account/(?!factors).+$"), "/account"),
)
"""Addresses that only take forms, and the page such a form stands on."""


def page_headers(form_target: str | None = None, *, with_script: bool = False) -> dict[str, str]:
    """Return the headers of a page. Chromium applies form-action to all redirects after a form, hence the target.

    An application often sends people on to another origin after its callback, which one we cannot know: where a form
    leads to an application any https origin may follow, or they would be stranded on our page.
    Under no-referrer a browser would post our forms with `Origin: null`, hence same-origin.
    """
    targets = f"'self' https: {origin_of(form_target)}" if form_target else "'self'"
    script = "script-src 'self'; " if with_script else ""
    return {
        "Content-Security-Policy": f"default-src 'none'; {script}style-src 'self'; img-src 'self'; "
                                   f"form-action {targets}; frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def see_other(url: str) -> RedirectResponse:
    """Return a 303: whatever was posted is not posted again there (RFC 9700 section 2.1, 4.12)."""
    return RedirectResponse(url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
