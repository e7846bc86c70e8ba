"""Rendering: Jinja2 with autoescape, a CSP without any script, and headers that keep pages out of caches and frames."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from identity.domain.oauth.redirect_uris import origin_of

_CACHE_STYLE = "public, max-age=86400"
_STATIC_TYPES = {"style.css": "text/css", "mark.svg": "image/svg+xml"}


class Pages:
    """Renders identity's pages; `base` is the path of the issuer."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._environment = Environment(loader=PackageLoader("identity.http", "templates"), autoescape=True,
                                        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        folder = files("identity.http") / "static"
        self._static = {name: (folder / name).read_bytes() for name in _STATIC_TYPES}

    def render(self, template: str, *, status: int = 200, form_target: str | None = None,
               **values: object) -> HTMLResponse:
        """Return a page; `form_target` is where its form's redirect may end besides here."""
        text = self._environment.get_template(template).render(base=self._base, **values)
        return HTMLResponse(text, status, headers=page_headers(form_target))

    def static(self, name: str) -> Response:
        """Return the style sheet or the icon."""
        return Response(self._static[name], media_type=_STATIC_TYPES[name],
                        headers={"Cache-Control": _CACHE_STYLE, "X-Content-Type-Options": "nosniff"})


def page_headers(form_target: str | None = None) -> dict[str, str]:
    """Return the headers of a page. Chromium applies form-action to the redirects after a form, hence the target.

    Under no-referrer a browser would post our forms with `Origin: null`, hence same-origin.
    """
    targets = f"'self' {origin_of(form_target)}" if form_target else "'self'"
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'self'; img-src 'self'; form-action {targets}; "
                                   "frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def see_other(url: str) -> RedirectResponse:
    """Return a 303: whatever was posted is not posted again there (RFC 9700 section 2.1, 4.12)."""
    return RedirectResponse(url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
