"""A caller's own name for its request (`X-Request-ID`), where a protocol wants it back (AuthZEN 1.0, 10.1.4).

Elsewhere the field is dropped and the answer carries our id: a client does not choose what our ledger and logs say.
Here the answer repeats the caller's and ours goes by another name.
"""

from collections.abc import Sequence

from control_plane.gateway.reply import Headers, Reply
from shared_kernel.errors import InvalidInputError

NAME = b"x-request-id"
MAX_BYTES = 256


class UnusableRequestIdError(InvalidInputError):
    """The id stands twice, or cannot be repeated in an answer."""

    def __init__(self) -> None:
        super().__init__(f"X-Request-ID must stand once and hold at most {MAX_BYTES} visible ASCII characters")


def repeat_request_id(fields: Sequence[tuple[bytes, bytes]], reply: Reply) -> Headers:
    """Let the answer carry the caller's id; return the field for the handler. Raise UnusableRequestIdError."""
    given = [value for name, value in fields if name == NAME]
    if not given:
        return []
    value = given[0]
    if len(given) > 1 or not 0 < len(value) <= MAX_BYTES or not (value.isascii() and value.decode().isprintable()):
        raise UnusableRequestIdError
    reply.repeat(value)
    return [(NAME, value)]
