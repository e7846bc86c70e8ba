"""The independent tester of SCIM servers, against our endpoints: whatever it checks must hold."""

import asyncio
from collections import Counter

import httpx2 as httpx
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from tests.identity.scim.directory import ScimClient


class Bridge(httpx.BaseTransport):
    """Lets a client of another thread talk to the application of this loop."""

    def __init__(self, inner: ScimClient, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Serve one request on the loop."""
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = asyncio.run_coroutine_threadsafe(self._inner.http.send(sent), self._loop).result(30)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


async def test_the_tester_of_scim_servers_finds_nothing_to_object(scim: ScimClient) -> None:
    client = httpx.Client(transport=Bridge(scim, asyncio.get_running_loop()), base_url=scim.http.base_url,
                          headers=scim.http.headers)

    results = await asyncio.to_thread(check_server, SyncSCIMClient(client))

    bad = [result for result in results
           if result.status in {Status.ERROR, Status.CRITICAL, Status.DEVIATION}]
    assert bad == []
    counts = Counter(result.status for result in results)
    assert counts[Status.SUCCESS] >= 60
    assert counts[Status.SKIPPED] == 0
