"""What developers call most: tokens, introspection and logins, on the whole product as it runs, over HTTP.

CPU-seconds are those of the product's own process, sealing and detection of what happens included; PostgreSQL is a
process of its own and its share is told beside the figures that write.
"""

import statistics
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import orjson

from benchmarks.http_load import connected, disconnect, latencies_ms, per_cpu_s, request_of
from benchmarks.metric import Metric
from benchmarks.quiet import settle
from control_plane.cli.person import Person
from control_plane.demo.instance import Instance

ROUNDS = 5
TOKENS_A_ROUND = 4_000
LOGINS_A_ROUND = 60
FORM = "application/x-www-form-urlencoded"
SOMEBODY = "vera.viewer"


async def measure(_url: str) -> list[Metric]:
    """Return the identity figures of docs/benchmarks.md."""
    with tempfile.TemporaryDirectory(prefix="gwidentity") as folder:
        Path(folder).chmod(0o755)
        with Instance(Path(folder) / "home") as instance:
            settle(instance)
            basic = await registered(instance)
            rates, tails = await _machine_rates(instance, basic)
            rates["password_login"] = [await _logins_per_cpu_s(instance) for _ in range(ROUNDS)]
    goals = {"introspection_cached": ">= 10000", "introspection": ">= 3000", "client_credentials": ">= 2000",
             "password_login": ">= 50"}
    peers = {"introspection_cached": "one token again and again", "introspection": "every token once, from PostgreSQL",
             "client_credentials": "ES256, the grant written and sealed", "password_login": "argon2id 19 MiB, t=2, p=1"}
    return [
        *(Metric(f"identity.{name}.per_cpu_s", "/CPU-s", tuple(rates[name]), goal, peers[name])
          for name, goal in goals.items()),
        *(Metric(f"identity.{name}.p99_ms", "ms", tuple(samples), "", "32 connections offered 500 requests/s")
          for name, samples in tails.items()),
    ]


async def registered(instance: Instance) -> str:
    """Register a service that may introspect; return its Basic credentials."""
    async with Person(instance.gateway) as person:
        await person.sign_in("admin", instance.passwords["admin"])
        answer = (await person.ask("POST", "/api/v1/clients", body={
            "client_name": "bench", "grant_types": ["client_credentials"], "scope": "bench",
            "roles": ["service"]})).json()
    return b64encode(f"{answer['client_id']}:{answer['client_secret']}".encode()).decode()


async def _machine_rates(instance: Instance, basic: str) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    rates: dict[str, list[float]] = {"introspection_cached": [], "introspection": [], "client_credentials": []}
    tails: dict[str, list[float]] = {"introspection_cached": [], "client_credentials": []}
    token_url = f"{instance.gateway}/oauth2/token"
    ask = token_request(instance.gateway, basic)
    for _ in range(ROUNDS):
        tokens = await issued(token_url, ask, TOKENS_A_ROUND)
        once = introspection_request(instance.gateway, basic, tokens[0])
        rates["client_credentials"].append(await per_cpu_s(token_url, instance.pid, repeat(ask)))
        rates["introspection"].append(await per_cpu_s(token_url, instance.pid, (
            introspection_request(instance.gateway, basic, token) for token in tokens)))
        rates["introspection_cached"].append(await per_cpu_s(token_url, instance.pid, repeat(once)))
        for name, request in (("introspection_cached", once), ("client_credentials", ask)):
            tails[name].append(statistics.quantiles(
                await latencies_ms(token_url, request, connections=32, per_s=500, seconds=2), n=100)[98])
    return rates, tails


def token_request(base: str, basic: str) -> bytes:
    """Return a client credentials request."""
    return request_of(f"{base}/oauth2/token", "POST", Authorization=f"Basic {basic}", Content_Type=FORM,
                      body=urlencode({"grant_type": "client_credentials", "scope": "bench"}).encode())


def introspection_request(base: str, basic: str, token: str) -> bytes:
    """Return an introspection request."""
    return request_of(f"{base}/oauth2/introspect", "POST", Authorization=f"Basic {basic}", Content_Type=FORM,
                      body=urlencode({"token": token}).encode())


async def issued(url: str, request: bytes, number: int) -> list[str]:
    """Return fresh access tokens."""
    open_ones = await connected(url, 8)
    found: list[str] = []
    for connection in islice(cycle(open_ones), number):
        answer: dict[str, Any] = orjson.loads((await connection.ask(request)).partition(b"\r\n\r\n")[2])
        found.append(answer["access_token"])
    disconnect(open_ones)
    return found


async def _logins_per_cpu_s(instance: Instance) -> float:
    """Post the login form again and again from one browser; the page is fetched once."""
    async with httpx.AsyncClient(base_url=instance.gateway) as browser:
        page = await browser.get("/login")
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        body = urlencode({
            "interaction": page.text.partition('name="interaction" value="')[2].partition('"')[0],
            "name": SOMEBODY, "password": instance.passwords[SOMEBODY],
        }).encode()
    request = request_of(f"{instance.gateway}/login", "POST", Cookie=cookies, Content_Type=FORM,
                         Origin=instance.gateway, body=body)
    posts: Iterator[bytes] = iter([request] * LOGINS_A_ROUND)
    return await per_cpu_s(instance.gateway, instance.pid, posts, connections=2, seconds=10)
