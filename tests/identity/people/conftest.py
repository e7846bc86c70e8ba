"""A provider whose risk model, mail room and map a test holds in its hands."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from identity.adapters.places import Places
from identity.domain.people.mails import Mail
from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.people.house import House
from tests.identity.world import ISSUER, ListRecorder, quick_keys, quick_passwords


@dataclass
class Judge:
    """A risk model that says what the test wants and remembers who was accepted."""

    score: object = 0
    accepted: list[tuple[str, str, str, tuple[str, ...]]] = field(default_factory=list)

    async def risk(self, *_: str) -> int:
        """Score a login."""
        if isinstance(self.score, Exception):
            raise self.score
        return self.score  # type: ignore[return-value]

    async def accept(self, user_id: str, source_ip: str, user_agent: str, amr: tuple[str, ...]) -> None:
        """Hear of a login."""
        self.accepted.append((user_id, source_ip, user_agent, amr))


class Postbox:
    """A mail server that keeps a list."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        """Take a mail."""
        self.mails.append(mail)


@pytest.fixture
def judge() -> Judge:
    """A risk model that finds nothing."""
    return Judge()


@pytest.fixture
def places() -> Places:
    """No map; a test that needs one overrides this."""
    return Places()


@pytest.fixture
async def house(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path, judge: Judge,
                places: Places) -> AsyncIterator[House]:
    """A provider with people, clients, a risk model and a postbox."""
    recorder, postbox = ListRecorder(), Postbox()
    provider = IdentityProvider(
        Database(app_pool), recorder, clock, issuer=ISSUER, keys=quick_keys(tmp_path / "keys"), login_risk=judge.risk,
        login_accepted=judge.accept, mail=postbox, places=places,
        passwords=quick_passwords())
    found = House(provider, recorder, clock, app_pool)
    found.postbox = postbox
    await found.people()
    yield found
    provider.close()
