"""Endpoints whose protocol authenticates its callers: policy stands before them, the gateway judges no credential."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.context import RequestContext, context_of
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnavailableError
from shared_kernel.principal import ANONYMOUS
from tests.control_plane.gateway_city import BrokenLedger, City, RoleRules, Rules, ask
from tests.frozen_clock import FrozenClock

BEARER_OF_ANOTHER_KIND = "Bearer gw_initial_0123.secret"


class Counter:
    """A token endpoint that keeps what it was given."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []

    def endpoint(self, action: str = "public.write") -> Endpoint:
        return Endpoint("POST", "/token", action, self.take, own_credentials=True)

    async def take(self, request: Request) -> Response:
        self.contexts.append(context_of(request.scope))
        return Response(b"{}")


async def test_the_handler_gets_the_credentials_unjudged_and_nobody_s_principal() -> None:
    desk = Counter()
    told = await ask(City(more=[desk.endpoint()]).gateway(), "POST", "/token",
                     headers={"Authorization": BEARER_OF_ANOTHER_KIND, "DPoP": "a.b.c"})

    assert told.status == 200
    assert desk.contexts[0].principal is ANONYMOUS
    assert desk.contexts[0].permit is None
    assert desk.contexts[0].credentials == Credentials(
        BEARER_OF_ANOTHER_KIND, "POST", "https://grid.test/token", ("a.b.c",))


async def test_a_yes_stands_for_a_second_and_is_not_sealed_again(clock: FrozenClock) -> None:
    city, desk = City(), Counter()
    city.more, policy = [desk.endpoint()], city.policy
    gateway = city.gateway(clock)

    for _ in range(5):
        assert (await ask(gateway, "POST", "/token")).status == 200
    assert len(policy.questions) == 1
    clock.advance(1)
    await ask(gateway, "POST", "/token")
    await ask(gateway, "POST", "/token", peer="192.0.2.1")

    assert len(policy.questions) == 3
    assert city.ledger.events == []


async def test_a_no_is_sealed_every_time_and_asked_about_anew() -> None:
    city, desk = City(), Counter()
    city.more = [desk.endpoint("users.read")]
    gateway = city.gateway()

    told = [await ask(gateway, "POST", "/token") for _ in range(2)]

    assert [each.status for each in told] == [401, 401]
    assert [event["grid"]["decision"]["allow"] for event in city.ledger.events] == [False, False]
    assert desk.contexts == []


async def test_another_method_on_a_protocol_s_path_is_405_for_strangers_too() -> None:
    """RFC 9126 section 2.3; the paths of a protocol stand in its public discovery document."""
    city, desk = City(), Counter()
    city.more = [desk.endpoint()]

    told = await ask(city.gateway(), "PUT", "/token")

    assert (told.status, told.headers["allow"]) == (405, "POST")
    assert desk.contexts == []
    assert city.ledger.events[0]["grid"]["decision"]["allow"] is False


async def test_without_policy_no_protocol_answers() -> None:
    async def gone(_question: object) -> object:
        raise UnavailableError("no policy")

    desk = Counter()
    told = await ask(City(policy=Rules(gone), more=[desk.endpoint()]).gateway(), "POST", "/token")

    assert told.status == 503
    assert desk.contexts == []


async def test_a_ledger_that_is_gone_is_for_the_house_to_notice() -> None:
    desk = Counter()
    told = await ask(City(ledger=BrokenLedger(), more=[desk.endpoint()]).gateway(), "POST", "/token")

    assert told.status == 200
    assert (await ask(City(ledger=BrokenLedger()).gateway(), "GET", "/public")).status == 503


@pytest.mark.parametrize("change", [{"action": "a"}, {"source_ip": "b"}])
async def test_one_caller_s_yes_is_not_another_s(change: dict[str, str]) -> None:
    policy, desk, other = RoleRules(), Counter(), Counter()
    city = City(policy=policy, more=[desk.endpoint(), Endpoint("POST", "/revoke", "public.read", other.take,
                                                               own_credentials=True)])
    gateway = city.gateway()
    await ask(gateway, "POST", "/token")
    await ask(gateway, "POST", "/revoke" if "action" in change else "/token",
              peer="192.0.2.1" if "source_ip" in change else "127.0.0.1")

    assert len(policy.questions) == 2
