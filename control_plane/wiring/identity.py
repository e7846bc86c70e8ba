"""The identity provider with everything around it: keys, mail, maps, the way out, and risk."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from control_plane.config import ConfigurationError, Settings
from control_plane.wiring.pools import Pools
from identity.adapters.outbound import Outbound
from identity.adapters.places import Places
from identity.adapters.smtp import Smtp, SmtpServer
from identity.adapters.transmitters_file import transmitters_of
from identity.domain.oauth.client_certificates import Authorities, UnusableAuthoritiesError
from identity.domain.signals.received import TrustedTransmitter
from identity.http.signals.receiving import PATH as RECEIVER
from identity.service import IdentityProvider
from identity.service.clients.registrar import RegistrationPolicy
from identity.service.keys.keychain import KeySource
from identity.store.database import Database
from policy_engine.service import RiskFeatures, RiskScore, RiskScorer
from shared_kernel.clock import Clock
from shared_kernel.events import Recorder

AT_MOST = {
    frozenset[str](): 35, frozenset({"place"}): 35, frozenset({"agent"}): 35,
    frozenset({"place", "agent"}): 79,
}
"""How risky a login may be by what is unusual besides the hour. One thing, a second browser or another network, is
everyday and left to the policy of devices; both are what a journey looks like: they ask for more and refuse nobody."""


@contextlib.contextmanager
def identity_of(  # noqa: PLR0913 - a composition point
    settings: Settings, pools: Pools, keys: KeySource, *, ledger: Recorder, risk: RiskScorer, clock: Clock,
) -> Iterator[IdentityProvider]:
    """Yield the provider; how unusual a login is comes from the policy engine's risk."""

    async def login_risk(user_id: str, source_ip: str, user_agent: str) -> int:
        found = risk.score(RiskFeatures(user_id, source_ip, user_agent, clock.now_us()))
        return login_score(found)

    async def login_accepted(user_id: str, source_ip: str, user_agent: str, _amr: tuple[str, ...]) -> None:
        risk.observe(RiskFeatures(user_id, source_ip, user_agent, clock.now_us()))

    with contextlib.ExitStack() as stack:
        places = stack.enter_context(contextlib.closing(Places(settings.geoip_db)))
        mail = _mail(settings)
        if mail is not None:
            stack.callback(mail.close)
        provider = IdentityProvider(
            Database(pools.app), ledger, clock, issuer=settings.gateway_url(), keys=keys,
            key_rotation_days=settings.key_rotation_days, mtls_url=settings.certificates_url(),
            outbound=Outbound(settings.outbound_networks, settings.outbound_ca),
            client_authorities=_authorities(settings.tls_client_ca), registration=registration_policy(settings),
            people_registration=settings.people_registration == "open", mail=mail, places=places,
            login_risk=login_risk, login_accepted=login_accepted,
            transmitters=_transmitters(settings))
        stack.callback(provider.close)
        yield provider


def login_score(found: RiskScore) -> int:
    """Return what a score amounts to at a login, where a refusal locks people out."""
    if found.unusual >= {"place", "agent", "hour"}:
        return found.value
    return min(found.value, AT_MOST[found.unusual & {"place", "agent"}])


def registration_policy(settings: Settings) -> RegistrationPolicy:
    """Return who may register which clients."""
    return RegistrationPolicy(is_open=settings.client_registration == "open",
                              requires_pkce=settings.client_registration_pkce, networks=settings.outbound_networks)


def _transmitters(settings: Settings) -> tuple[TrustedTransmitter, ...]:
    if settings.signal_transmitters is None:
        return ()
    return transmitters_of(settings.signal_transmitters, settings.gateway_url() + RECEIVER)


def _mail(settings: Settings) -> Smtp | None:
    if settings.smtp_url is None:
        return None
    return Smtp(SmtpServer.from_url(settings.smtp_url.get_secret_value()), sender=settings.mail_from,
                ca=settings.outbound_ca)


def _authorities(path: Path | None) -> Authorities:
    if path is None:
        return Authorities()
    try:
        return Authorities.from_pem(path.read_bytes())
    except (OSError, UnusableAuthoritiesError) as cause:
        raise ConfigurationError(
            f"GRIDWARDEN_TLS_CLIENT_CA names {path}, which holds no certificates of authorities (PEM)") from cause
