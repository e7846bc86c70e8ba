"""The identity provider: one front for the desks behind it, and the promises the rest of the city wires."""

from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, TypeVar

from identity.adapters.outbound import Outbound
from identity.adapters.places import Places
from identity.domain.jose.mint import Mint
from identity.domain.naming import shown_name
from identity.domain.oauth.client_certificates import Authorities
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.parameters import unique
from identity.domain.oauth.token_requests import read_token_parameters
from identity.domain.people.interactions import NO_WISHES, Interaction, Purpose, Wishes, seal, unseal
from identity.domain.records import Client, Session, User
from identity.domain.signals.received import TrustedTransmitter
from identity.service.clients.administration import ClientAdministration
from identity.service.clients.authentication import ClientAuthentication
from identity.service.clients.known_clients import KnownClients
from identity.service.clients.registrar import Registrar, RegistrationPolicy
from identity.service.clients.registration import RegistrationDesk
from identity.service.clients.registry import Registration, Registry
from identity.service.foundation import Foundation, Lifetimes
from identity.service.journal import Journal
from identity.service.keys.client_keys import ClientKeys
from identity.service.keys.keychain import Keychain, KeySource
from identity.service.oauth.authenticator import Authenticator
from identity.service.oauth.authorization import AuthorizationDesk
from identity.service.oauth.device import DeviceDesk
from identity.service.oauth.grant_states import GrantStates
from identity.service.oauth.introspection import Introspection
from identity.service.oauth.logout import LogoutDesk
from identity.service.oauth.logout_delivery import LogoutCourier
from identity.service.oauth.metadata import provider_metadata
from identity.service.oauth.pushed import PushedRequestDesk
from identity.service.oauth.revocation import Revocation
from identity.service.oauth.sender import SenderConstraints
from identity.service.oauth.token_desk import TokenDesk
from identity.service.oauth.userinfo import UserInfoDesk
from identity.service.people.accounts import Accounts, Actor
from identity.service.people.admission import LoginAccepted
from identity.service.people.arrivals import LoginRisk
from identity.service.people.desks import PeopleDesks
from identity.service.people.door import Door
from identity.service.people.endings import Endings
from identity.service.people.mailing import Mailing, MailSender
from identity.service.people.new_passwords import NewPasswords
from identity.service.people.notices import Notices
from identity.service.people.outcomes import LoginOutcome, Visit
from identity.service.people.passwords import Passwords
from identity.service.scim.groups import GroupDirectory
from identity.service.scim.people import PeopleDirectory
from identity.service.signals.receiver import SignalReceiver
from identity.service.signals.transmitter import Transmitter
from identity.store.database import Database
from identity.store.pruning import DOOMED
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.credentials import Credentials
from shared_kernel.events import Recorder
from shared_kernel.principal import Principal

Pairs = Sequence[tuple[str, str]]
PRUNE_BATCH = 1_000
NOT_YET = frozenset({"authorization_pending", "slow_down", "use_dpop_nonce"})
"""Answers that only say *ask again*: no refusals, not worth a line in the ledger each."""

T = TypeVar("T")


class IdentityProvider:
    """Knows who.

    `keys` holds the signing rings and the form key; `issuer` is the public base URL without a trailing slash;
    `outbound` calls the places that clients name, by default none inside; `client_authorities` vouch for the TLS
    certificates of clients (RFC 8705).
    `login_risk` scores a login 0 to 100 (from 40 a second factor is due, from 80 it is refused, and a failure to score
    asks for a second factor); `login_accepted` hears of every login that succeeded, with its `amr`. `places` finds
    addresses on the map. `mail` sends what waits in the outbox; `people_registration` lets strangers register.
    `passwords` hashes them. The events of `transmitters` take effect on our people.
    """

    def __init__(self, database: Database, recorder: Recorder, clock: Clock, *, issuer: str, keys: KeySource,  # noqa: PLR0913 - a composition point
                 key_rotation_days: int = 90, outbound: Outbound | None = None,
                 client_authorities: Authorities | None = None,
                 registration: RegistrationPolicy | None = None, mtls_url: str | None = None,
                 lifetimes: Lifetimes | None = None, login_risk: LoginRisk | None = None,
                 login_accepted: LoginAccepted | None = None, mail: MailSender | None = None,
                 places: Places | None = None, people_registration: bool = False,
                 passwords: Passwords | None = None, transmitters: Sequence[TrustedTransmitter] = ()) -> None:
        outbound = outbound or Outbound()
        journal, lifetimes = Journal(recorder, clock), lifetimes or Lifetimes()
        self.keychain = Keychain(keys, clock, journal, rotation_days=key_rotation_days,
                                 longest_token_s=lifetimes.access_s)
        self._form_key = keys.form_key()
        self._metadata = provider_metadata(issuer, mtls_url=mtls_url)
        self._passwords = passwords or Passwords()
        states = GrantStates(database)
        self._foundation = Foundation(
            database=database, journal=journal, clock=clock, states=states,
            known_clients=KnownClients(database, states, clock),
            mint=Mint(self.keychain, issuer, f"{issuer}/api"), lifetimes=lifetimes,
            outbound=outbound, client_keys=ClientKeys(outbound, clock))
        self.mailing = Mailing(database, clock, sender=mail, issuer=issuer)
        self.door = Door(self._foundation, self._passwords, Notices(self.mailing, can_mail=mail is not None),
                         form_key=self._form_key, places=places or Places(), risk=login_risk, accepted=login_accepted)
        self.login_desk = self.door.login
        self._open_to_people(is_open=people_registration)
        self._open_to_clients(client_authorities or Authorities(), registration or RegistrationPolicy())
        self._open_for_tokens()
        self.signal_receiver = SignalReceiver(self._foundation, self.accounts, transmitters)

    def _open_to_people(self, *, is_open: bool) -> None:
        """Set up what people and their administrators ask for."""
        self.endings = Endings(self._foundation)
        self.new_passwords = NewPasswords(self._passwords)
        self.accounts = Accounts(self._foundation, self.new_passwords, self.endings, self.mailing)
        self.people = PeopleDesks.of(
            self._foundation, self.mailing, passwords=self._passwords, new_passwords=self.new_passwords,
            endings=self.endings, is_open=is_open)
        self.people_directory = PeopleDirectory(self._foundation, self.new_passwords)
        self.group_directory = GroupDirectory(self._foundation)

    def _open_to_clients(self, authorities: Authorities, policy: RegistrationPolicy) -> None:
        """Set up what clients are registered by, prove themselves with and listen to."""
        self.sender = SenderConstraints(self._foundation, self._form_key)
        self.clients = Registry(self._foundation, ClientAuthentication(self._foundation, self.sender, authorities))
        registrar = Registrar(self._foundation, policy)
        self.registration = RegistrationDesk(self._foundation, registrar)
        self.client_administration = ClientAdministration(self._foundation, registrar)
        self.signals = Transmitter.of(self._foundation, form_key=self._form_key, networks=policy.networks)

    def _open_for_tokens(self) -> None:
        """Set up what leads to tokens, looks at them and ends them."""
        self.authorizations = AuthorizationDesk(self._foundation, self.clients, self.login_desk)
        self.logouts = LogoutDesk(self._foundation, self.clients)
        self.logout_courier = LogoutCourier(self._foundation)
        self._pushed = PushedRequestDesk(self._foundation, self.clients, self.sender)
        self._tokens = TokenDesk(self._foundation, self.sender)
        self.device = DeviceDesk(self._foundation)
        self._introspection = Introspection(self._foundation)
        self._revocation = Revocation(self._foundation)
        self._authenticator = Authenticator(self._foundation, self.sender)
        self.keychain.when_changed(self._authenticator.forget)
        self.userinfo = UserInfoDesk(self._foundation, self._authenticator)

    @property
    def issuer(self) -> str:
        """The public base URL, the `iss` of everything."""
        return self._foundation.mint.issuer

    @property
    def pen(self) -> Mint:
        """What signs in the issuer's name."""
        return self._foundation.mint

    def close(self) -> None:
        """Stop the password workers."""
        self._passwords.close()

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Return whom a request's credentials speak for; raise InvalidTokenError (an UnauthenticatedError)."""
        return await self._authenticator.authenticate(credentials)

    async def standing(self, principal: Principal) -> Principal:
        """Return a principal as it stands now; raise CredentialError when its token, session or person ended."""
        return await self._authenticator.standing(principal)

    def forget_grant(self, grant_id: str) -> None:
        """Ask the database about a grant at its next use: it was ended, here or by another process."""
        self._foundation.states.forget_grant(grant_id)

    def forget_all(self) -> None:
        """Ask the database about every grant and client at its next use."""
        self._foundation.states.forget()

    def fresh_nonce(self) -> str:
        """Return what the next DPoP proof should carry."""
        return self.sender.nonce()

    async def ensure_admin(self) -> str | None:
        """Create `admin` when missing; answer the new random password, once."""
        return await self.accounts.ensure_admin()

    async def create_user(self, name: str, password: str, *, roles: frozenset[str], by: Actor = "gridwarden",
                          context: RequestContext | None = None) -> User:
        """Create a person."""
        return await self.accounts.create(name, password, roles=roles, by=by, context=context)

    async def lock_account(self, user_id_or_name: str, *, reason: str, by: Actor,
                           context: RequestContext | None = None) -> None:
        """Lock a person out everywhere, at the next request; raise UnknownUserError (a NotFoundError)."""
        await self.accounts.lock(user_id_or_name, reason=reason, by=by, context=context)

    async def unlock_account(self, user_id_or_name: str, *, by: Actor, context: RequestContext | None = None) -> None:
        """Let a locked person log in again."""
        await self.accounts.unlock(user_id_or_name, by=by, context=context)

    async def revoke_sessions(self, user_id_or_name: str, *, by: Actor, context: RequestContext | None = None) -> int:
        """End all sessions of a person; answer how many."""
        return await self.accounts.revoke_sessions(user_id_or_name, by=by, context=context)

    async def set_roles(self, user_id_or_name: str, roles: frozenset[str], *, by: Actor,
                        context: RequestContext | None = None) -> User:
        """Replace a person's roles, effective at the next request."""
        return await self.accounts.set_roles(user_id_or_name, roles, by=by, context=context)

    async def create_client(self, registration: Registration, *, public: bool = False, by: Actor = "gridwarden",
                            context: RequestContext | None = None) -> tuple[Client, str | None]:
        """Register a client; answer it and its secret, which is shown this once."""
        return await self.clients.create(registration, public=public, by=by, context=context)

    async def ensure_client(self, client_id: str, *, redirect_uris: Sequence[str],  # noqa: PLR0913 - a client's parts
                            post_logout_redirect_uris: Sequence[str] = (), first_party: bool = False,
                            secret: str | None = None, name: str | None = None,
                            roles: frozenset[str] = frozenset()) -> Client:
        """Register a sign-in client or bring its URIs up to date; without a secret it is public. Idempotent."""
        registration = Registration(
            client_id=client_id, name=name or client_id, redirect_uris=tuple(redirect_uris),
            post_logout_redirect_uris=tuple(post_logout_redirect_uris), first_party=first_party, roles=roles)
        return await self.clients.ensure(registration, secret=secret, by="gridwarden")

    async def token(self, pairs: Pairs, context: RequestContext) -> dict[str, Any]:
        """Answer a token request (RFC 6749 section 5); every refusal is sealed before it is raised."""
        return await self._sealing_refusal(self._token(pairs, context), pairs, context)

    async def _token(self, pairs: Pairs, context: RequestContext) -> dict[str, Any]:
        parameters = read_token_parameters(pairs)
        client = await self.clients.authenticate(context.credentials, parameters.values)
        return await self._tokens.exchange(client, parameters, context)

    async def authorize_device(self, pairs: Pairs, context: RequestContext) -> dict[str, Any]:
        """Answer a device authorization request (RFC 8628 section 3.1)."""
        return await self._sealing_refusal(self._authorize_device(pairs, context), pairs, context)

    async def _authorize_device(self, pairs: Pairs, context: RequestContext) -> dict[str, Any]:
        parameters = read_token_parameters(pairs)
        client = await self.clients.authenticate(context.credentials, parameters.values)
        return await self.device.begin(client, parameters)

    async def introspect(self, pairs: Pairs, context: RequestContext, *, as_jwt: bool = False) -> bytes:
        """Answer an introspection request of a confidential client, in JSON (RFC 7662) or as a JWT (RFC 9701)."""
        return await self._sealing_refusal(self._introspect(pairs, context, as_jwt), pairs, context)

    async def _introspect(self, pairs: Pairs, context: RequestContext, as_jwt: bool) -> bytes:  # noqa: FBT001 - one caller
        parameters = _single(pairs)
        client = await self.clients.authenticate(context.credentials, parameters, confidential=True)
        body = await self._introspection.answer(client, parameters)
        return (await self._introspection.signed(client, body)).encode() if as_jwt else body

    async def push(self, pairs: Pairs, context: RequestContext) -> dict[str, Any]:
        """Take a pushed authorization request (RFC 9126)."""
        return await self._sealing_refusal(self._pushed.push(pairs, context), pairs, context)

    async def revoke(self, pairs: Pairs, context: RequestContext) -> None:
        """Carry out a revocation request (RFC 7009)."""
        await self._sealing_refusal(self._revoke(pairs, context), pairs, context)

    async def _revoke(self, pairs: Pairs, context: RequestContext) -> None:
        parameters = _single(pairs)
        client = await self.clients.authenticate(context.credentials, parameters)
        await self._revocation.revoke(client, parameters, context)

    async def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the public keys, every algorithm's."""
        return (await self.keychain.complete()).to_jwks()

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        return self._metadata

    def seal(self, purpose: Purpose, query: str, *, browser: str,  # noqa: PLR0913 - a form's memory
             session: Session | None = None, asked_at_us: int | None = None, wishes: Wishes = NO_WISHES,
             answered: Iterable[str] = ()) -> str:
        """Seal a form's memory for this browser, and for this session when there is one."""
        now_us = self._foundation.now_us() if asked_at_us is None else asked_at_us
        interaction = Interaction(purpose, query, now_us, session.id if session else None, wishes,
                                  tuple(sorted(answered)))
        return seal(interaction, key=self._form_key, browser=browser)

    def sealed(self, interaction: Interaction, *, browser: str) -> str:
        """Seal a form's memory for this browser."""
        return seal(interaction, key=self._form_key, browser=browser)

    def now_us(self) -> int:
        """Return the time."""
        return self._foundation.now_us()

    def unseal(self, text: str, purpose: Purpose, *, browser: str) -> Interaction:
        """Return a form's memory; raise StaleInteractionError."""
        return unseal(text, purpose, key=self._form_key, browser=browser, now_us=self._foundation.now_us())

    async def login(self, name: str, password: str, *, visit: Visit, wanted: Sequence[str] = (),
                    context: RequestContext) -> LoginOutcome:
        """Log a person in, or ask for a second factor; raise LoginRefusedError, one sentence for every cause."""
        return await self.login_desk.login(name, password, visit=visit, wanted=wanted, context=context)

    async def session(self, cookie: str | None) -> Session | None:
        """Return the live session behind a browser's cookie."""
        return await self.login_desk.session(cookie)

    async def prune(self) -> int:
        """Delete rows that can matter no more, in batches; answer how many went."""
        deleted = 0
        for table in DOOMED:
            while batch := await self._prune_batch(table):
                deleted += batch
        deleted += await self.accounts.forget_abandoned()
        return deleted

    async def _prune_batch(self, table: str) -> int:
        async with self._foundation.database.begin() as tables:
            return await tables.pruning.delete_batch(table, self._foundation.now_us(), PRUNE_BATCH)

    async def _sealing_refusal(self, work: Awaitable[T], pairs: Pairs, context: RequestContext) -> T:
        try:
            return await work
        except OAuthError as error:
            if error.code not in NOT_YET:
                await self._seal_refusal(error, pairs, context)
            raise

    async def _seal_refusal(self, error: OAuthError, pairs: Pairs, context: RequestContext) -> None:
        claimed = error.client_id or next((value for name, value in pairs if name == "client_id"), "unknown")
        claimed = shown_name(claimed)
        await self._foundation.journal.seal(
            "token_refused", context=context, user={"id": claimed, "name": claimed}, outcome="failure",
            reason=error.code, grid={"oauth": {"client_id": claimed, "detail": error.description}})


def _single(pairs: Pairs) -> dict[str, str]:
    parameters, broken = unique(pairs)
    if broken:
        raise OAuthError("invalid_request", "a parameter stands twice or holds control characters")
    return parameters
