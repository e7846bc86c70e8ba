"""Targets that a real Consul names, as they come, go, fail, and when Consul itself is away or lies."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from control_plane.config import ConfigurationError
from control_plane.upstreams.discovery import Consul, ConsulAwayError, Discovery, Guard
from control_plane.upstreams.plan import Discovered
from tests.control_plane.upstreams.bed import ADMIN, Scripted, Seen, ask, bed, ok, scripted
from tests.servers.consul import consul_server
from tests.servers.started import free_port

PLAN = """services:
  billing:
    targets: {consul: billing, networks: ["127.0.0.0/8"]}
routes:
  - {method: GET, path: "/billing/{rest:path}", action: public.read, service: billing}
"""


def put(address: str, path: str, body: object = None) -> None:
    """Tell Consul."""
    data = b"" if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", data=data, method="PUT"), timeout=5):  # noqa: S310 - our own server
        pass


def register(address: str, service: Scripted, name: str, host: str = "127.0.0.1") -> None:
    put(address, "/v1/agent/service/register", {
        "Name": "billing", "ID": name, "Address": host, "Port": service.port,
        "Check": {"CheckID": f"c-{name}", "TTL": "60s", "Status": "passing"}})


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


@pytest.mark.consul
async def test_targets_come_and_go_as_consul_tells_and_stay_while_it_is_away(tmp_path: Path) -> None:
    port = free_port()
    async with scripted(ok(b"one")) as one, scripted(ok(b"two")) as two:
        with ExitStack() as running:
            address = running.enter_context(consul_server(port))
            register(address, one, "b1")
            async with bed(tmp_path, PLAN, consul=Consul(address)) as here:
                [_, (_, follow)] = here.upstreams.keepers()
                following = asyncio.ensure_future(follow())
                targets = here.upstreams._remotes["billing"].targets
                await _until(lambda: len(targets.addresses) == 1)
                first = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

                register(address, two, "b2")
                await _until(lambda: len(targets.addresses) == 2)
                both = {(await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)).body for _ in range(4)}

                put(address, "/v1/agent/check/fail/c-b1")
                await _until(lambda: len(targets.addresses) == 1)
                failing = {(await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)).body for _ in range(4)}
                notes = here.upstreams.notes()

                running.close()
                await _until(lambda: here.upstreams.notes() != ())
                away = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
                following.cancel()

    assert (first.body, both, failing, notes) == (b"one", {b"one", b"two"}, {b"two"}, ())
    assert away.body == b"two"


@pytest.mark.consul
async def test_a_consul_that_starts_anew_is_followed_from_its_lower_index(tmp_path: Path) -> None:
    port = free_port()
    async with scripted(ok(b"one")) as one, scripted(ok(b"two")) as two:
        with ExitStack() as running:
            address = running.enter_context(consul_server(port))
            register(address, one, "b1")
            for n in range(20):
                put(address, f"/v1/kv/busy/{n}", n)
            register(address, two, "b0")
            async with bed(tmp_path, PLAN, consul=Consul(address)) as here:
                [_, (_, follow)] = here.upstreams.keepers()
                following = asyncio.ensure_future(follow())
                targets = here.upstreams._remotes["billing"].targets
                await _until(lambda: len(targets.addresses) == 2)
                running.close()
                await _until(lambda: here.upstreams.notes() != ())
                with consul_server(port) as again:
                    register(again, two, "b2")
                    await _until(lambda: [each.port for each in targets.addresses] == [two.port])
                    following.cancel()


HOSTS: dict[str, object] = {
    "the cloud's metadata": "169.254.169.254", "outside the networks": "8.8.8.8", "a name": "localhost",
    "decimal": "2130706433", "octal": "0177.0.0.1", "mapped": "::ffff:127.0.0.1", "unspecified": "0.0.0.0",  # noqa: S104 - refused
    "multicast": "224.0.0.1", "a zone": "fe80::1%eth0", "a number": 2130706433, "a URL": "http://127.0.0.1",
}


@pytest.mark.parametrize("name", HOSTS)
def test_what_consul_may_not_point_us_to_is_not_asked(name: str) -> None:
    guard = Guard("billing", [ip_network("127.0.0.0/8"), ip_network("169.254.0.0/16"), ip_network("::/0")], [5000], [])

    assert guard.believed(HOSTS[name], 8080, is_tls=False) is None


@pytest.mark.parametrize("port", [5000, 0, 65_536, "8080", True, None, -1])
def test_neither_our_own_ports_nor_odd_ones_are_asked(port: object) -> None:
    guard = Guard("billing", [ip_network("127.0.0.0/8")], [5000], [])

    assert guard.believed("127.0.0.1", port, is_tls=False) is None
    assert guard.believed("127.0.0.1", 5001, is_tls=False) is not None


def test_our_own_address_is_not_asked_on_our_own_port() -> None:
    guard = Guard("billing", [ip_network("10.0.0.0/8")], [5000], ["10.0.0.7"])

    assert guard.believed("10.0.0.7", 5000, is_tls=False) is None
    assert guard.believed("10.0.0.8", 5000, is_tls=False) is not None


def answer(index: object, instances: object) -> bytes:
    body = json.dumps(instances).encode()
    return (f"HTTP/1.1 200 OK\r\nX-Consul-Index: {index}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def follower(url: str) -> Discovery:
    wanted = Discovered(consul="billing", networks=("127.0.0.0/8",))  # type: ignore[arg-type]
    return Discovery("billing", wanted, Consul(url), Guard("billing", wanted.networks, [], []), is_tls=False,
                     tell=lambda _: None)


async def test_questions_wait_at_the_last_index_and_begin_anew_when_it_goes_back() -> None:
    indices = iter([7, 9, 3, 4, 0, 5])

    async def speak(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(next(indices), []))

    async with scripted(speak) as consul:
        discovery = follower(consul.url)
        for _ in range(6):
            await discovery.look()
        await discovery._consul.close()

    asked = [seen.line.split()[1].partition("?")[2] for seen in consul.seen]
    assert ["index=" in line for line in asked] == [False, True, True, False, True, False]
    assert [line.split("index=")[1].split("&")[0] for line in asked if "index=" in line] == ["7", "9", "4"]
    assert "wait=55s" in asked[1]


NONSENSE: dict[str, bytes] = {
    "no list": answer(1, {"Service": {}}),
    "no JSON": b"HTTP/1.1 200 OK\r\nX-Consul-Index: 1\r\nContent-Length: 2\r\n\r\n<>",
    "no index": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "an odd index": answer("x", []),
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "an odd instance": answer(1, [[]]),
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
    "duplicate keys": answer(1, []).replace(b"Content-Length: 2", b"Content-Length: 15").replace(
        b"[]", b'[{"a":1,"a":2}]'),
    "too long": b"HTTP/1.1 200 OK\r\nX-Consul-Index: 1\r\nContent-Length: 5000000\r\n\r\n" + b" " * 5_000_000,
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_a_consul_that_answers_nonsense_is_away(name: str) -> None:
    async with scripted(NONSENSE[name]) as consul:
        discovery = follower(consul.url)
        with pytest.raises(ConsulAwayError):
            await discovery.look()
        await discovery._consul.close()


async def test_one_lie_among_truths_costs_only_itself() -> None:
    instances: Sequence[Any] = [
        {"Node": {"Address": "127.0.0.1"}, "Service": {"Address": host, "Port": 8081}} for host in (
            "169.254.169.254", "", "127.0.0.2")]

    async with scripted(answer(1, instances)) as consul:
        discovery = follower(consul.url)
        seen = await discovery.look()
        await discovery._consul.close()

    assert [each.authority for each in seen.addresses] == ["127.0.0.1:8081", "127.0.0.2:8081"]


async def test_a_plan_that_asks_consul_needs_its_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="GRIDWARDEN_CONSUL_ADDR"):
        async with bed(tmp_path, PLAN):
            pass


async def test_the_token_goes_to_consul() -> None:
    async with scripted(answer(1, [])) as server:
        consul = Consul(server.url, token="s3cr3t")
        await consul.passing("billing", 0)
        await consul.close()

    assert server.seen[0].fields["x-consul-token"] == "s3cr3t"
