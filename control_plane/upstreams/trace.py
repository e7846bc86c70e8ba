"""W3C Trace Context (Recommendation, level 1): a valid trace goes on, anything else begins a new one.

`traceparent` is version-traceid-parentid-flags; `tracestate` is a list of vendors' members, kept only beside a valid
`traceparent` and only when it is valid as a whole.
"""

import re
import secrets
from collections.abc import Iterable

MAX_MEMBERS, MAX_STATE = 32, 512
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(
    rb"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_ZEROS = frozenset(b"0")
_SAMPLED = 1

Fields = list[tuple[bytes, bytes]]


def next_hop(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the trace fields for the next hop: the same trace, a new span; of flags only `sampled` is known."""
    given = [(name, value) for name, value in fields if name in {b"traceparent", b"tracestate"}]
    trace = _continued([value for name, value in given if name == b"traceparent"])
    span = secrets.token_hex(8).encode()
    if trace is None:
        return [(b"traceparent", b"00-%s-%s-00" % (secrets.token_hex(16).encode(), span))]
    trace_id, flags = trace
    state = _state([value for name, value in given if name == b"tracestate"])
    return [(b"traceparent", b"00-%s-%s-%02x" % (trace_id, span, flags & _SAMPLED)),
            *([(b"tracestate", state)] if state else [])]


def _continued(values: list[bytes]) -> tuple[bytes, int] | None:
    found = _PARENT.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    version, trace_id, parent_id, flags, rest = found.groups()
    is_known = version != b"ff" and (version != b"00" or rest is None)
    if not is_known or _ZEROS.issuperset(trace_id) or _ZEROS.issuperset(parent_id):
        return None
    return trace_id, int(flags, 16)


def _state(values: list[bytes]) -> bytes | None:
    """Return the members in order, None when one is malformed, stands twice, or they are too many or too long."""
    members = [member.strip(b" \t") for member in b",".join(values).split(b",")]
    members = [member for member in members if member]
    keys = {member.partition(b"=")[0] for member in members}
    whole = b",".join(members)
    if len(members) > MAX_MEMBERS or len(keys) != len(members) or len(whole) > MAX_STATE:
        return None
    return whole if all(_MEMBER.fullmatch(member) for member in members) else None
