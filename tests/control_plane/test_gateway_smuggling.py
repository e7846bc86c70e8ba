"""Request smuggling: two requests in one, for whoever reads the first one's end elsewhere than we do.

Each row carries a whole request for `/admin/users`, with an administrator's token, behind or inside a doubtful one.
"""

from collections.abc import Iterator

import pytest

from tests.control_plane.raw_gateway import HOST, TOKEN, Running, get, statuses

HIDDEN = get(b"/admin/users")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run one gateway for the module."""
    found = Running()
    yield found
    found.stop()


@pytest.fixture
def quiet(running: Running) -> Running:
    """Forget what earlier tests left."""
    return running.forget()


def post(fields: bytes, rest: bytes = b"0\r\n\r\n", version: bytes = b"HTTP/1.1") -> bytes:
    return get(b"/public", fields, version, b"POST") + rest + HIDDEN


def coded(value: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return post(b"Transfer-Encoding: " + value + b"\r\n", version=version)


def sized(value: bytes) -> bytes:
    return post(b"Content-Length: " + value + b"\r\n", b"hello")


IN_THE_HEAD: dict[str, bytes] = {
    "CL.TE": post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG"),
    "TE.CL": post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"8\r\nSMUGGLED\r\n0\r\n\r\n"),
    "TE.TE with a stranger": post(b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n"),
    "TE.TE twice chunked": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "TE.TE after identity": post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    "a prefix": coded(b"xchunked"),
    "identity": coded(b"identity"),
    "a list with identity": coded(b"identity, chunked"),
    "a list that ends elsewhere": coded(b"chunked, identity"),
    "chunked twice in a list": coded(b"chunked, chunked"),
    "vertical tab": coded(b"\x0bchunked"),
    "form feed": coded(b"chunked\x0c"),
    "quotes": coded(b'"chunked"'),
    "a parameter": coded(b"chunked;q=1"),
    "NUL": coded(b"chunked\x00"),
    "space after": coded(b"chunked "),
    "tab after": coded(b"chunked\t"),
    "empty coding": coded(b""),
    "comma after": coded(b"chunked,"),
    "comma before": coded(b",chunked"),
    "no-break space": coded(b"\xa0chunked"),
    "chunked in 1.0": coded(b"chunked", b"HTTP/1.0"),
    "space before the colon": post(b"Transfer-Encoding : chunked\r\n"),
    "space before the name": post(b" Transfer-Encoding: chunked\r\n"),
    "8 bits in the name": post(b"Transfer-Encoding\xa0: chunked\r\n"),
    "underscore for a dash": post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"),
    "underscore in the length": post(b"Content_Length: 5\r\n", b"hello"),
    "folded value": post(b"Transfer-Encoding:\r\n chunked\r\n"),
    "behind a bare LF": post(b"X: y\nTransfer-Encoding: chunked\r\n"),
    "behind a bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n"),
    "plus": sized(b"+5"),
    "minus": sized(b"-5"),
    "a list of lengths": sized(b"5, 5"),
    "a list of unlike lengths": sized(b"5, 6"),
    "lengths with a space": sized(b"5 5"),
    "hexadecimal": sized(b"0x5"),
    "a fraction": sized(b"5.0"),
    "an exponent": sized(b"5e0"),
    "an underscore": sized(b"5_0"),
    "no length": sized(b""),
    "NUL in the length": sized(b"5\x00"),
    "25 digits": sized(b"9" * 25),
    "2^64": sized(b"18446744073709551616"),
    "2^64 and the length": sized(b"18446744073709551621"),
    "other digits": sized("\u0665".encode()),
    "a quoted length": sized(b'"5"'),
    "CL.CL": post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"),
    "CL.CL alike": post(b"Content-Length: 5\r\ncontent-length: 5\r\n", b"hello"),
    "two expectations": post(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
}

EXPECTATIONS = (b"y 100-continue", b"100-continue, y", b"200-ok", b"", b"100-continue\t;x")

IN_THE_BODY: dict[str, bytes] = {
    "hexadecimal prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"5_\r\nhello\r\n0\r\n\r\n",
    "fraction": b"5.0\r\nhello\r\n0\r\n\r\n",
    "other digits": "\uff15".encode() + b"\r\nhello\r\n0\r\n\r\n",
    "no digit": b"g\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "17 digits": b"1" + b"0" * 15 + b"5\r\nhello\r\n0\r\n\r\n",
    "20 digits": b"1" + b"0" * 18 + b"5\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "two bytes after the data": b"5\r\nhelloXX0\r\n\r\n",
    "bare LFs at the end": b"5\r\nhello\r\n0\n\n",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "tab after the size": b"5\t\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "line end in quotes": b'5;a="\r\n0\r\n\r\n"\r\nhello\r\n0\r\n\r\n',
    "bare LF in quotes": b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
    "NUL in an extension": b"5;a\x00\r\nhello\r\n0\r\n\r\n",
    "bare CR in an extension": b"5;a\r\rhello\r\n0\r\n\r\n",
    "an extension without a name": b"5;\r\nhello\r\n0\r\n\r\n",
    "more data than said": b"3\r\nhello\r\n0\r\n\r\n",
    "less data than said": b"9\r\nhello\r\n0\r\n\r\n",
    "Content-Length in a trailer": b"0\r\nContent-Length: 50\r\n\r\n",
    "Transfer-Encoding in a trailer": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "bare LF in a trailer": b"0\r\nX: y\n\r\n",
    "space before a trailer's colon": b"0\r\nX : y\r\n\r\n",
    "NUL in a trailer": b"0\r\nX: \x00\r\n\r\n",
    "folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
}

READ_ALIKE: dict[str, bytes] = {
    "capitals": coded(b"CHUNKED"),
    "tab before": coded(b"\tchunked"),
    "a chunked GET": get(b"/public", b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n" + HIDDEN,
    "leading zero": sized(b"05"),
    "40 leading zeros in a chunk": post(b"Transfer-Encoding: chunked\r\n", b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n"),
    "quoted extension": post(b"Transfer-Encoding: chunked\r\n", b'5;a="b;c"\r\nhello\r\n0\r\n\r\n'),
    "Authorization in a trailer": post(b"Transfer-Encoding: chunked\r\n", b"0\r\nAuthorization: Bearer x\r\n\r\n"),
    "Host in a trailer": post(b"Transfer-Encoding: chunked\r\n", b"0\r\nHost: evil.test\r\n\r\n"),
    "expectation": post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
    "expectation without a body": get(b"/public", b"Expect: 100-continue\r\n") + HIDDEN,
    "empty lines between": post(b"Content-Length: 5\r\n", b"hello\r\n\r\n"),
}
"""What has one meaning for everybody: two requests, each decided by itself."""

SWALLOWED: dict[str, bytes] = {
    "0.CL": get(b"/public", b"Content-Length: %d\r\n" % len(HIDDEN)) + HIDDEN,
    "a HEAD with a body": get(b"/public", b"Content-Length: %d\r\n" % len(HIDDEN), method=b"HEAD") + HIDDEN,
    "an expectation and its body": get(b"/public", b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(HIDDEN))
    + HIDDEN,
    "a chunk that holds a request": get(b"/public", b"Transfer-Encoding: chunked\r\n")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
}


@pytest.mark.parametrize("attack", IN_THE_HEAD)
def test_a_head_that_frames_its_message_oddly_ends_the_connection(quiet: Running, attack: str) -> None:
    answer = quiet.say(IN_THE_HEAD[attack])

    assert statuses(answer) == [400]
    assert quiet.city.contexts == []
    assert quiet.city.ledger.events == []


@pytest.mark.parametrize("value", EXPECTATIONS)
def test_an_expectation_we_do_not_know_is_refused(quiet: Running, value: bytes) -> None:
    answer = quiet.say(post(b"Expect: " + value + b"\r\nContent-Length: 5\r\n", b"hello"))

    assert statuses(answer) == [417]
    assert quiet.city.ledger.events == []


@pytest.mark.parametrize("attack", IN_THE_BODY)
def test_what_follows_a_doubtful_body_is_never_parsed(quiet: Running, attack: str) -> None:
    answer = quiet.say(post(b"Transfer-Encoding: chunked\r\n", IN_THE_BODY[attack]))

    assert statuses(answer) in ([400], [])
    assert {event["url"]["path"] for event in quiet.city.ledger.events} <= {"/public"}


@pytest.mark.parametrize("line", [b"0" * 9_000, b";" + b"a" * 9_000])
def test_a_chunk_line_without_an_end_is_cut_off(quiet: Running, line: bytes) -> None:
    head = get(b"/public", b"Transfer-Encoding: chunked\r\n", method=b"POST")

    answer = quiet.say(head + b"5", line, line, line, HIDDEN, pause_s=0.02)

    assert statuses(answer) in ([431], [400])
    assert {event["url"]["path"] for event in quiet.city.ledger.events} <= {"/public"}


@pytest.mark.parametrize("said", READ_ALIKE)
def test_what_everybody_reads_alike_is_two_decisions(quiet: Running, said: str) -> None:
    answer = quiet.say(READ_ALIKE[said].replace(HIDDEN, get(b"/admin/users", b"Connection: close\r\n")))

    assert [status for status in statuses(answer) if status != 100] == [200, 200]
    assert [event["url"]["path"] for event in quiet.city.ledger.events] == ["/public", "/admin/users"]


@pytest.mark.parametrize("said", SWALLOWED)
def test_a_request_inside_a_body_is_the_body(quiet: Running, said: str) -> None:
    answer = quiet.say(SWALLOWED[said] + get(b"/nowhere", b"Connection: close\r\n"))

    assert [status for status in statuses(answer) if status != 100] == [200, 404]
    assert [event["url"]["path"] for event in quiet.city.ledger.events] == ["/public", "/nowhere"]


def test_more_bytes_than_the_length_says_never_become_a_request_s_head(quiet: Running) -> None:
    quiet.say(sized(b"4"))

    assert {event["url"]["path"] for event in quiet.city.ledger.events} <= {"/public"}


def test_an_honest_head_may_arrive_in_any_pieces(quiet: Running) -> None:
    whole = get(b"/public", b"Content-Length: 5\r\n", method=b"POST") + b"hello" + get(
        b"/admin/users", b"Connection: close\r\n")

    answers = [statuses(quiet.say(whole[:cut], whole[cut:], pause_s=0.01)) for cut in range(1, len(whole), 7)]

    assert set(map(tuple, answers)) == {(200, 200)}


def test_a_flood_of_pipelined_requests_is_cut_off(quiet: Running) -> None:
    flood = b"GET /public HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n"

    answer = quiet.say(flood * 1_000)

    assert len(statuses(answer)) < 100
    assert len(quiet.city.ledger.events) < 100
