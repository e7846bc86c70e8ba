"""The claims people give about themselves (OIDC Core 5.1), checked claim by claim; unknown ones are refused."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from shared_kernel.errors import UnprocessableError

MAX_TEXT = 200
_URL = re.compile(r"https://[!-~]{1,250}", re.ASCII)
_PHONE = re.compile(r"\+[0-9][0-9 ()./-]{4,24}(;ext=[0-9]{1,8})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?", re.ASCII)
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_ZONE = re.compile(r"[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)

ADDRESS_PARTS = ("formatted", "street_address", "locality", "region", "postal_code", "country")


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()


def _lines(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and all(
        char.isprintable() or char == "\n" for char in value)


def _matching(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _address(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        part in ADDRESS_PARTS and _lines(text) for part, text in value.items())


CLAIMS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "name": (_text, "a line of text"), "given_name": (_text, "a line of text"),
    "family_name": (_text, "a line of text"), "middle_name": (_text, "a line of text"),
    "nickname": (_text, "a line of text"), "gender": (_text, "a line of text"),
    "profile": (_matching(_URL), "an https URL"), "picture": (_matching(_URL), "an https URL"),
    "website": (_matching(_URL), "an https URL"),
    "birthdate": (_matching(_DATE), "a date such as 1990-12-31, or a year"),
    "zoneinfo": (_matching(_ZONE), "a time zone such as Europe/Tirane"),
    "locale": (_matching(_TAG), "a language tag such as sq-AL"),
    "phone_number": (_matching(_PHONE), "a number such as +355 69 123 4567"),
    "phone_number_verified": (lambda value: isinstance(value, bool), "true or false"),
    "address": (_address, "an address of the parts of OpenID Connect"),
}
"""Claim -> whether a value fits, and what would."""


def new_profile(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return claims without the empty ones; raise UnfitClaimError for the first that does not fit."""
    found = {name: value for name, value in claims.items() if value not in (None, "", {})}
    for name, value in found.items():
        fits, wanted = CLAIMS.get(name, (lambda _: False, "one of the standard claims"))
        if not fits(value):
            raise UnfitClaimError(name, wanted)
    return found


class UnfitClaimError(UnprocessableError):
    """A claim about a person cannot be kept."""

    def __init__(self, claim: str, wanted: str) -> None:
        super().__init__(f"{claim[:40]} must be {wanted}")
        self.claim = claim
