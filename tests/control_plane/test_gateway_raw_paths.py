"""Every published path attack, from a raw socket: none reaches a handler, as a target or as a segment of one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control_plane.raw_gateway import Running, get, statuses

TARGETS = (b"/%b", b"/admin/%b", b"/%b/admin/users", b"/admin/users%b", b"/public/../%b")
LISTS = ("traversal", "control_and_crlf", "open_redirect", "whatwg_url")
SPOKEN = {400, 401, 403, 404, 405, 431, 501, 505}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run one gateway for the module."""
    found = Running()
    yield found
    found.stop()


def _inputs(folder: Path, name: str) -> list[bytes]:
    cases = json.loads((folder / "paths" / f"{name}.json").read_text())
    texts = [bytes.fromhex(case["input_hex"]) if "input_hex" in case
             else case["input"].encode("utf-8", "surrogatepass") for case in cases if isinstance(case, dict)]
    return [text.replace(b"{FILE}", b"users") for text in texts]


def _harmless(text: bytes) -> bool:
    """Whether a text, put behind a path, leaves it as it is: nothing, a query, or a line end and header of its own."""
    return text == b"" or text.startswith((b"?", b" HTTP/1.1"))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("target", TARGETS)
def test_no_published_attack_reaches_a_handler(running: Running, shared_vectors: Path, name: str,
                                               target: bytes) -> None:
    running.forget()
    answered: set[int] = set()
    reached: list[bytes] = []

    for text in _inputs(shared_vectors, name):
        if _harmless(text):
            continue
        found = statuses(running.say(get(target % text, b"Connection: close\r\n")))
        answered.update(found)
        if running.city.contexts:
            reached.append(text)
            running.forget()

    assert reached == []
    assert answered <= SPOKEN


def test_an_attack_in_a_header_stays_in_it(running: Running, shared_vectors: Path) -> None:
    running.forget()

    for text in _inputs(shared_vectors, "control_and_crlf"):
        answer = running.say(get(b"/nowhere", b"X-Probe: " + text + b"\r\nConnection: close\r\n"))
        assert set(statuses(answer)) <= {400, 404}

    assert running.city.contexts == []
