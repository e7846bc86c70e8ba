"""One transaction of identity's tables. Whoever opens it decides, by leaving it normally or not, what stands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from identity.store.account_views import AccountViews
from identity.store.clients import Clients
from identity.store.consents import Consents
from identity.store.device_codes import DeviceCodes
from identity.store.devices import Devices
from identity.store.factors import FactorTables
from identity.store.grants import Grants
from identity.store.initial_access_tokens import InitialAccessTokens
from identity.store.login_attempts import LoginAttempts
from identity.store.login_steps import LoginSteps
from identity.store.logout_deliveries import LogoutDeliveries
from identity.store.mail_links import MailLinks
from identity.store.mails import Mails
from identity.store.one_time import Codes, RefreshTokens
from identity.store.pruning import Pruning
from identity.store.pushed_requests import PushedRequests
from identity.store.roles import Roles
from identity.store.scim.groups import ScimGroups
from identity.store.scim.people import ScimPeople
from identity.store.seen_proofs import SeenProofs
from identity.store.sessions import Sessions
from identity.store.signals.events import SignalEvents
from identity.store.signals.streams import SignalStreams
from identity.store.tries import Tries
from identity.store.users import Users
from shared_kernel.errors import UnavailableError

CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError, OSError, TimeoutError,
)

ACQUIRE_TIMEOUT_S = 10


class DatabaseDownError(UnavailableError):
    """PostgreSQL did not answer; the transaction did not happen."""

    def __init__(self) -> None:
        super().__init__("the identity database does not answer: nothing was done, try again")


class Tables:
    """Everything one transaction can touch."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    @property
    def users(self) -> Users:
        """People."""
        return Users(self._executor)

    @property
    def clients(self) -> Clients:
        """Clients and consents."""
        return Clients(self._executor)

    @property
    def initial_access_tokens(self) -> InitialAccessTokens:
        """Who may register clients."""
        return InitialAccessTokens(self._executor)

    @property
    def consents(self) -> Consents:
        """What people allow clients."""
        return Consents(self._executor)

    @property
    def pushed_requests(self) -> PushedRequests:
        """Pushed authorization requests."""
        return PushedRequests(self._executor)

    @property
    def scim_people(self) -> ScimPeople:
        """People, as directories see them."""
        return ScimPeople(self._executor)

    @property
    def scim_groups(self) -> ScimGroups:
        """Roles, as directories see them."""
        return ScimGroups(self._executor)

    @property
    def sessions(self) -> Sessions:
        """Browser sessions."""
        return Sessions(self._executor)

    @property
    def grants(self) -> Grants:
        """Grants."""
        return Grants(self._executor)

    @property
    def codes(self) -> Codes:
        """Authorization codes."""
        return Codes(self._executor)

    @property
    def refresh_tokens(self) -> RefreshTokens:
        """Refresh tokens."""
        return RefreshTokens(self._executor)

    @property
    def seen_proofs(self) -> SeenProofs:
        """Assertions and proofs that were shown."""
        return SeenProofs(self._executor)

    @property
    def device_codes(self) -> DeviceCodes:
        """Devices that wait for a person."""
        return DeviceCodes(self._executor)

    @property
    def login_attempts(self) -> LoginAttempts:
        """Tries to log in."""
        return LoginAttempts(self._executor)

    @property
    def roles(self) -> Roles:
        """Roles."""
        return Roles(self._executor)

    @property
    def account_views(self) -> AccountViews:
        """What people see of themselves."""
        return AccountViews(self._executor)

    @property
    def mails(self) -> Mails:
        """The outbox."""
        return Mails(self._executor)

    @property
    def mail_links(self) -> MailLinks:
        """Links that were mailed."""
        return MailLinks(self._executor)

    @property
    def tries(self) -> Tries:
        """What strangers may do only so often."""
        return Tries(self._executor)

    @property
    def login_steps(self) -> LoginSteps:
        """Logins that wait for a second factor."""
        return LoginSteps(self._executor)

    @property
    def devices(self) -> Devices:
        """Browsers people are known in."""
        return Devices(self._executor)

    @property
    def factors(self) -> FactorTables:
        """Second factors."""
        return FactorTables(self._executor)

    @property
    def logout_deliveries(self) -> LogoutDeliveries:
        """Clients to be told of ended sessions."""
        return LogoutDeliveries(self._executor)

    @property
    def signal_streams(self) -> SignalStreams:
        """Streams of security events."""
        return SignalStreams(self._executor)

    @property
    def signal_events(self) -> SignalEvents:
        """Security events that wait for receivers."""
        return SignalEvents(self._executor)

    @property
    def pruning(self) -> Pruning:
        """What can go."""
        return Pruning(self._executor)


class Database:
    """Opens transactions on the pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tables]:
        """Open a transaction that commits when the block ends normally; raise UnavailableError when it cannot."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
                yield Tables(connection)
        except CONNECTION_ERRORS as cause:
            raise DatabaseDownError from cause

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tables]:
        """Open tables for single statements, each its own transaction: no BEGIN and COMMIT on the hot path."""
        try:
            yield Tables(self._pool)
        except CONNECTION_ERRORS as cause:
            raise DatabaseDownError from cause

