"""Which language a person reads: their own switch first, then what the application said, then what the browser says.

The switch comes before `ui_locales` (OIDC Core 3.1.2.1, a preference that need not be met): a switch that an
application could undo would be none.
"""

LANGUAGES = ("en", "sq")
DEFAULT = "en"
_MAX_LISTED = 20


def chosen(*, switched: str | None, ui_locales: str | None, accepted: str | None) -> str:
    """Return the language of a page; `ui_locales` is space-separated, `accepted` is Accept-Language."""
    wishes = ([switched or ""], (ui_locales or "").split(), _by_weight(accepted or ""))
    return next((found for tags in wishes for tag in tags if (found := _known(tag))), DEFAULT)


def of_locale(locale: object) -> str:
    """Return the language of a locale claim such as `sq-AL`, the default for anything else."""
    return (_known(locale) if isinstance(locale, str) else None) or DEFAULT


def _known(tag: str) -> str | None:
    language = tag.replace("_", "-").partition("-")[0].lower()
    return language if language in LANGUAGES else None


def _by_weight(header: str) -> list[str]:
    """Return the tags of Accept-Language (RFC 9110 section 12.5.4), the best first; `q=0` is a no."""
    weighed = []
    for part in header.split(",")[:_MAX_LISTED]:
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter.strip())
        if weight > 0:
            weighed.append((weight, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda each: -each[0])]


def _weight(parameter: str) -> float:
    if not parameter:
        return 1.0
    try:
        weight = float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0
    return weight if weight <= 1 else 0.0
