"""What a mail says: a plain part and a simple HTML part, in the reader's language, under a lasting Message-ID.

Subjects are ours and recipients were checked when they were given, so no value of a stranger stands in a header;
inside the HTML every value is escaped.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from identity.domain.languages import LANGUAGES
from identity.domain.people.mails import Mail

_UNKNOWN = "?"
_SEVEN_BIT = "quoted-printable"
"""So that no server on the way must speak 8BITMIME (RFC 6152)."""

_HTML = Markup(
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>'
    '<body style="margin:0;padding:24px;background:#eef2f5;color:#16202a;font:16px/1.55 sans-serif">'
    '<div style="max-width:34rem;margin:auto;padding:28px;background:#fff;border-radius:12px;'
    'border-top:4px solid #0b6b5b"><p style="font-weight:bold;margin-top:0">Gridwarden</p>{body}</div></body></html>')
_PARAGRAPH = Markup("<p>{}</p>")
_BUTTON = Markup(
    '<p><a href="{link}" style="display:inline-block;padding:10px 18px;border-radius:8px;background:#0b6b5b;'
    'color:#fff;text-decoration:none;font-weight:bold">{label}</a></p><p style="font-size:13px">{link}</p>')


class Letters:
    """Writes mails of one sender."""

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.texts: Mapping[str, Mapping[str, Any]] = {language: _texts(language) for language in LANGUAGES}

    def written(self, mail: Mail) -> EmailMessage:
        """Return the message; the same mail gives the same Message-ID and date at every try."""
        text = self.texts[mail.language][mail.template]
        message = EmailMessage(policy=SMTP)
        message["From"] = Address("Gridwarden", addr_spec=self.sender)
        message["To"] = Address(addr_spec=mail.recipient)
        message["Subject"] = text["subject"]
        message["Message-ID"] = f"<{mail.id}@{self.sender.partition('@')[2]}>"
        message["Date"] = datetime.fromtimestamp(mail.created_at_us // 1_000_000, UTC)
        message["Auto-Submitted"] = "auto-generated"
        fields = _Fields({name: _one_line(value) for name, value in mail.fields.items()})
        message.set_content(_plain(text, fields), cte=_SEVEN_BIT)
        message.add_alternative(_html(mail.language, text, fields), subtype="html", cte=_SEVEN_BIT)
        message["Content-Language"] = mail.language
        return message


class _Fields(dict[str, str]):
    """Values of a mail; one that nobody gave reads as unknown and keeps no mail from being sent."""

    def __missing__(self, _: str) -> str:
        return _UNKNOWN


def _plain(text: Mapping[str, Any], fields: _Fields) -> str:
    parts = [paragraph.format_map(fields) for paragraph in text["paragraphs"]]
    if "button" in text:
        parts.insert(text["button_after"], f"{text['button']}:\n{fields['link']}")
    return "\n\n".join(parts) + "\n"


def _html(language: str, text: Mapping[str, Any], fields: _Fields) -> str:
    parts = [_PARAGRAPH.format(paragraph.format_map(fields)) for paragraph in text["paragraphs"]]
    if "button" in text:
        parts.insert(text["button_after"], _BUTTON.format(link=fields["link"], label=text["button"]))
    return str(_HTML.format(language=language, subject=text["subject"], body=Markup("").join(parts)))


def _one_line(value: object) -> str:
    return "".join(char if char.isprintable() else " " for char in str(value))


def _texts(language: str) -> dict[str, Any]:
    return tomllib.loads((files("identity.adapters") / "mail_texts" / f"{language}.toml").read_text("utf-8"))
