"""Tokens and introspection beside npm oidc-provider (in memory) and Keycloak (its development mode), in the same run.

Each peer is warmed until it is as fast as it gets (Keycloak's compiler needs some seconds), then measured as ours is:
the same load, answers per second of the server process's CPU time. oidc-provider introspects only opaque tokens.
"""

import sys
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import repeat
from urllib.parse import urlencode

from benchmarks.http_load import per_cpu_s, request_of
from benchmarks.identity import FORM, issued
from benchmarks.metric import Metric
from benchmarks.peers.providers import CLIENT, SECRET, NoPeerError, Peer, keycloak, oidc_provider

SAMPLES = 5
WARM_S = 20.0
BASIC = b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
PEERS: tuple[tuple[str, str, Callable[[], AbstractAsyncContextManager[Peer]], tuple[str, ...]], ...] = (
    ("oidc_provider", "npm oidc-provider 9, in memory", partial(oidc_provider, access_tokens="jwt"),
     ("client_credentials",)),
    ("oidc_provider", "npm oidc-provider 9, in memory, opaque tokens", partial(oidc_provider, access_tokens="opaque"),
     ("introspection",)),
    ("keycloak", "Keycloak 26.4 start-dev", keycloak, ("client_credentials", "introspection")),
)


async def measure_peers(_url: str) -> list[Metric]:
    """Measure each peer that can be had; say why where one cannot."""
    found: list[Metric] = []
    for name, title, start, kinds in PEERS:
        try:
            async with start() as peer:
                found += [Metric(f"identity.{kind}.{name}.per_cpu_s", "/CPU-s", await _rates(peer, kind), "", title)
                          for kind in kinds]
        except NoPeerError as cause:
            print(f"skipping {name}: {cause}", file=sys.stderr)
    return found


async def _rates(peer: Peer, kind: str) -> tuple[float, ...]:
    ask = request_of(peer.token_url, "POST", Authorization=f"Basic {BASIC}", Content_Type=FORM,
                     body=urlencode({"grant_type": "client_credentials", "scope": "bench"}).encode())
    request = ask
    if kind == "introspection":
        token, *_ = await issued(peer.token_url, ask, 1)
        request = request_of(peer.introspection_url, "POST", Authorization=f"Basic {BASIC}", Content_Type=FORM,
                             body=urlencode({"token": token}).encode())
    await per_cpu_s(peer.token_url, peer.pid, repeat(request), seconds=WARM_S)
    return tuple([await per_cpu_s(peer.token_url, peer.pid, repeat(request)) for _ in range(SAMPLES)])
