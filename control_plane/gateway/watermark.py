"""Marks in answers: whose they are, for which request, of when; made under a key of the installation.

    mark = "gw1." request id "." microseconds "." base64url( HMAC-SHA-256( key, fields )[:16] )
    fields = "gridwarden/watermark/v1" 0x00 subject 0x00 request id 0x00 microseconds

The subject is not in the mark: whoever finds it learns nobody's name, and whoever may check it reads the subject from
the sealed decision. It proves that this installation gave that answer to that subject; it does not prove that the
rows beside it are the rows that left, and whoever copies the rows alone leaves it behind.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from shared_kernel.errors import UnprocessableError

HEADER = b"gridwarden-watermark"
_LABEL = b"gridwarden/watermark/v1"
_TAG_BYTES = 16
_MARK = re.compile(r"gw1\.([0-9a-f-]{36})\.([0-9]{1,19})\.([A-Za-z0-9_-]{22})")


class NoWatermarkError(UnprocessableError):
    """The text is no mark of ours."""

    def __init__(self) -> None:
        super().__init__("this is no watermark: it begins with gw1. and stands in the answer's member `watermark`")


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark as it says itself; genuine only if `Watermarks.is_genuine`."""

    request_id: str
    at_us: int
    tag: str


class Watermarks:
    """Makes and checks marks under a secret of at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(_LABEL + b"\0key\0" + key).digest()

    def mark(self, subject: str, request_id: str, at_us: int) -> str:
        """Return the mark of one answer."""
        return f"gw1.{request_id}.{at_us}.{self._tag(subject, request_id, at_us)}"

    def is_genuine(self, mark: Mark, subject: str) -> bool:
        """Whether we gave the answer with this mark to this subject."""
        return hmac.compare_digest(mark.tag, self._tag(subject, mark.request_id, mark.at_us))

    def _tag(self, subject: str, request_id: str, at_us: int) -> str:
        fields = b"\0".join((_LABEL, subject.encode(), request_id.encode(), str(at_us).encode()))
        return base64.urlsafe_b64encode(hmac.digest(self._key, fields, "sha256")[:_TAG_BYTES]).decode().rstrip("=")


def read_mark(text: str) -> Mark:
    """Return what a mark says; raise NoWatermarkError when it says nothing."""
    found = _MARK.fullmatch(text)
    if found is None:
        raise NoWatermarkError
    return Mark(found[1], int(found[2]), found[3])
