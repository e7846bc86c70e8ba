"""Doubt is a *no*: collaborators that raise, stay silent or answer nonsense."""

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

import pytest

from control_plane.gateway import judge, sealing
from shared_kernel.classification import Classification
from shared_kernel.credentials import Credentials
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Receipt
from shared_kernel.principal import Principal
from tests.control_plane.gateway_city import Catalog, City, KeptEvents, Rules, Ruling, Tokens, ask

ADMIN = {"Authorization": "Bearer admin"}


async def test_a_policy_engine_that_raises_denies_and_the_denial_is_sealed() -> None:
    async def explode(_question: Any) -> NoReturn:
        raise RuntimeError("no engine")
    city = City(policy=Rules(explode))

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 503
    assert told.json["reasons"] == ["policy could not answer"]
    assert "no engine" not in told.body.decode()
    assert city.contexts == []
    assert city.ledger.events[0]["grid"]["decision"]["allow"] is False


async def test_a_silent_policy_engine_denies_after_its_deadline() -> None:
    async def never(_question: Any) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError
    city = City(policy=Rules(never))
    started = asyncio.get_running_loop().time()

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 503
    assert told.json["reasons"] == ["policy did not answer in time"]
    assert asyncio.get_running_loop().time() - started < judge.DEADLINE_S + 2
    assert city.contexts == []


@pytest.mark.parametrize("answer", [
    None, {}, True, "true", b"<html>200 OK</html>",
    Ruling(allow="true"), Ruling(allow=1), Ruling(allow=None), Ruling(allow=True, obligations=None),
    Ruling(allow=True, revision=None), Ruling(allow=True, reasons=None), Ruling(allow=True, reasons=[1]),
])
async def test_a_malformed_decision_denies(answer: Any) -> None:
    async def nonsense(_question: Any) -> Any:
        return answer
    city = City(policy=Rules(nonsense))

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 503
    assert city.contexts == []
    assert city.ledger.events[0]["grid"]["decision"]["allow"] is False


class LostIdentity(Tokens):
    """Identity whose database is gone."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        raise UnavailableError(f"no sessions for {credentials.authorization}")


class SilentIdentity(Tokens):
    """Identity that never answers."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        await asyncio.Event().wait()
        return await super().authenticate(credentials)


@pytest.mark.parametrize(("identity", "reason"), [
    (LostIdentity(), "identity could not answer"), (SilentIdentity(), "identity did not answer in time"),
])
async def test_without_identity_nobody_passes_not_even_to_public_routes(identity: Tokens, reason: str) -> None:
    city = City(identity=identity)

    told = await ask(city.gateway(), "GET", "/public")

    assert told.status == 503
    assert told.json["reasons"] == [reason]
    assert city.contexts == []


class LostCatalog(Catalog):
    """Governance that does not know."""

    def labels(self, dataset: str) -> Mapping[str, Classification]:
        raise KeyError(dataset)


async def test_a_dataset_whose_label_cannot_be_told_is_not_served() -> None:
    city = City(labels=LostCatalog())

    told = await ask(city.gateway(), "GET", "/api/v1/readings/m", headers={"Authorization": "Bearer viewer"})

    assert told.status == 503
    assert city.contexts == []
    assert city.policy.questions == []


class SilentLedger(KeptEvents):
    """A ledger that never says that it sealed."""

    async def record(self, event: Any) -> Receipt:
        await asyncio.Event().wait()
        return await super().record(event)


@pytest.mark.slow
async def test_a_ledger_that_stays_silent_has_not_sealed() -> None:
    city = City(ledger=SilentLedger())
    started = asyncio.get_running_loop().time()

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 503
    assert asyncio.get_running_loop().time() - started < sealing.DEADLINE_S + 2
    assert city.contexts == []


async def test_a_ledger_that_fails_in_an_unexpected_way_has_not_sealed() -> None:
    class Odd(KeptEvents):
        async def record(self, event: Any) -> Receipt:
            raise ValueError(str(event))
    city = City(ledger=Odd())

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 503
    assert "admin" not in told.json["detail"]


async def test_risk_that_cannot_learn_does_not_spoil_the_answer() -> None:
    class Forgetful:
        value = 3
        reasons = ()

        def score(self, _features: Any) -> Any:
            return self

        def count(self, _features: Any, *, allowed: bool) -> None:
            raise OSError(allowed)

        def observe(self, _features: Any) -> None:
            raise OSError
    city = City(risk=Forgetful())

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 200
