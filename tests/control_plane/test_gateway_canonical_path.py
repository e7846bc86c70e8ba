"""One spelling of a path: examples, laws and other people's attack lists."""

import json
import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.gateway.canonical_path import MAX_PATH_BYTES, PathRefusedError, canonical_path

SAFE = "/!$&'()*+,=:@~"

REFUSED = {
    b"": "not-absolute",
    b"admin": "not-absolute",
    b"*": "not-absolute",
    b"http://x/admin": "not-absolute",
    b"/admin%2fusers": "encoded-slash",
    b"/admin%2Fusers": "encoded-slash",
    b"/admin/users%0a": "control-character",
    b"/admin/users%00": "control-character",
    b"/admin/users%7f": "control-character",
    b"/admin/users%7F": "control-character",
    b"/admin/\x00": "control-character",
    b"/admin users": "control-character",
    b"/admin\xc3\xa9": "not-ascii",
    b"/admin#x": "fragment",
    b"/admin%23x": "fragment",
    b"/admin?x": "query",
    b"/admin%3Fx": "query",
    b"/admin\\users": "backslash",
    b"/admin%5cusers": "backslash",
    b"/admin%252fusers": "double-encoding",
    b"/admin%2": "malformed-encoding",
    b"/admin%zz": "malformed-encoding",
    b"/admin%u002f": "malformed-encoding",
    b"/admin;x=1/users": "path-parameter",
    b"/admin%3Bx": "path-parameter",
    b"/../admin": "dot-segment",
    b"/x/..": "dot-segment",
    b"/./admin": "dot-segment",
    b"/%2e%2e/admin": "dot-segment",
    b"/.%2E/admin": "dot-segment",
    b"/.../admin": "dot-segment",
    b"//admin": "empty-segment",
    b"/admin//users": "empty-segment",
    b"/%61dmin": "needless-encoding",
    b"/admin%2Dusers": "needless-encoding",
    b"/.git/config": "hidden-segment",
    b"/admin./users": "trailing-dot-or-space",
    b"/admin%20": "trailing-dot-or-space",
    b"/%20admin": "trailing-dot-or-space",
    b"/C:/boot": "drive-letter",
    b"/0x2e0x2e/x": "hexadecimal-notation",
    b"/a<b": "unencoded-character",
    b"/a%c3%A9": "lowercase-encoding",
    b"/%C0%AF": "invalid-utf8",
    b"/%E0%80%AF": "invalid-utf8",
    b"/%ED%A0%80": "invalid-utf8",
    b"/%FF": "invalid-utf8",
    b"/a%C2%A0b": "invisible-character",
    b"/a%E2%80%8Bb": "invisible-character",
    b"/%EF%BC%8Fadmin": "compatibility-character",
    b"/%EF%BC%8E%EF%BC%8E/admin": "compatibility-character",
    b"/e%CC%81": "compatibility-character",
    b"/a%E2%88%95b": "slash-lookalike",
    b"/" + b"a" * MAX_PATH_BYTES: "too-long",
}

ACCEPTED = {
    b"/": "/",
    b"/admin/users": "/admin/users",
    b"/admin/users/": "/admin/users/",
    b"/.well-known/openid-configuration": "/.well-known/openid-configuration",
    b"/api/v1/datasets/grid.meter_readings": "/api/v1/datasets/grid.meter_readings",
    b"/a~b-c_d": "/a~b-c_d",
    b"/a%20b": "/a b",
    b"/a%40b": "/a@b",
    b"/a@b": "/a@b",
    b"/urn:x": "/urn:x",
    b"/caf%C3%A9": "/café",
}


@pytest.mark.parametrize(("raw", "reason"), REFUSED.items())
def test_a_path_with_another_spelling_is_refused_by_name(raw: bytes, reason: str) -> None:
    with pytest.raises(PathRefusedError) as refused:
        canonical_path(raw)

    assert refused.value.reason == reason


@pytest.mark.parametrize(("raw", "path"), ACCEPTED.items())
def test_a_canonical_path_is_decoded_once(raw: bytes, path: str) -> None:
    assert canonical_path(raw) == path


def accepted(raw: bytes) -> str | None:
    try:
        return canonical_path(raw)
    except PathRefusedError:
        return None


PIECES = st.sampled_from([
    "a", "Z", "9", "-", ".", "_", "~", "/", "%", "%2F", "%2e", "%20", "%C3%A9", "%EF%BC%8F", ";", "\\", ":", "@", "+",
    "#", "?", "0x2e", "%25", "é", "\n", "admin", "..",
])


@given(st.lists(PIECES, max_size=12).map(lambda pieces: ("/" + "".join(pieces)).encode()))
def test_an_accepted_path_decodes_to_what_every_parser_sees(raw: bytes) -> None:
    path = accepted(raw)

    if path is not None:
        assert path == unquote(raw.decode("ascii"), errors="strict")
        assert path.startswith("/")
        assert "//" not in path
        assert path.isprintable()
        assert not any(set(segment) == {"."} for segment in path.split("/"))


@given(st.lists(PIECES, max_size=12).map(lambda pieces: ("/" + "".join(pieces)).encode()))
def test_canonicalising_again_changes_nothing(raw: bytes) -> None:
    path = accepted(raw)

    if path is not None:
        assert accepted(quote(path, safe=SAFE).encode()) == path


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_path_or_a_refusal(raw: bytes) -> None:
    path = accepted(raw)

    assert path is None or path.startswith("/")


def test_every_published_traversal_is_refused(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "paths" / "traversal.json").read_text())
    attacks = [bytes.fromhex(case["input_hex"]) if "input_hex" in case else case["input"].encode() for case in cases]

    let_in = [raw for raw in attacks for form in (raw, b"/" + raw, b"/admin/" + raw + b"/users")
              if accepted(form.replace(b"{FILE}", b"passwd")) is not None]

    assert len(attacks) == 569
    assert let_in == []


HARMLESS = {b"NUL", b"NULL", b"nul", b"null", b"FALSE", b"00", b"0000", b"0x0D0x0A", b"0x0D0x0D0x0A0x0A"}
"""Words a parser may take for a control character and a path segment does not."""


def test_every_published_control_character_is_refused(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "paths" / "control_and_crlf.json").read_text())
    attacks = [case["input"].encode() for case in cases]

    let_in = {raw for raw in attacks if accepted(b"/" + raw) is not None}

    assert len(attacks) == 57
    assert let_in <= HARMLESS


HTTP_URL = re.compile(r"(?:https?://[^/\\?#]+)?(/[^?#]*)")


def test_where_the_url_standard_reads_a_path_we_read_the_same_or_refuse(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "paths" / "whatwg_url.json").read_text())
    judged = 0
    for case in cases:
        target = HTTP_URL.match(case["input"])
        if target is None or case.get("protocol") not in {"http:", "https:"} or not case["input"].isascii():
            continue
        path = accepted(target[1].encode())
        judged += 1
        assert path is None or path == unquote(case["pathname"], errors="strict")

    assert judged >= 70
