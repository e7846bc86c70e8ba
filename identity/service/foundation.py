"""What every desk of the provider stands on: tables, journal, time, keys, and how long things live."""

from dataclasses import dataclass

from identity.adapters.outbound import Outbound
from identity.domain.jose.mint import Mint
from identity.service.clients.known_clients import KnownClients
from identity.service.journal import Journal
from identity.service.keys.client_keys import ClientKeys
from identity.service.oauth.grant_states import GrantStates
from identity.store.database import Database
from shared_kernel.clock import Clock

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds from issue to expiry. A code lives a minute (RFC 6749 4.1.2 allows ten).

    `offline_s` is for grants that outlive their session (OIDC Core section 11).
    """

    code_s: int = 60
    access_s: int = 600
    refresh_s: int = 43_200
    offline_s: int = 2_592_000
    session_s: int = 43_200
    refresh_grace_s: int = 30


@dataclass(frozen=True, slots=True)
class Foundation:
    """Shared by the desks, owned by the provider."""

    database: Database
    journal: Journal
    clock: Clock
    mint: Mint
    states: GrantStates
    lifetimes: Lifetimes
    outbound: Outbound
    client_keys: ClientKeys
    known_clients: KnownClients

    def now_us(self) -> int:
        """Return the time."""
        return self.clock.now_us()
