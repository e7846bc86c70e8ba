"""Passkeys (WebAuthn Level 3): what the browser is asked, and what its answer proves.

An answer is taken when 1 its challenge is ours, for this ceremony, browser and person, 2 origin and RP ID are exactly
the issuer's and no foreign frame asked, 3 signature, presence and, where due, user verification hold, 4 the credential
is known and its user handle fits, 5 its counter rose and it did not become copyable, 6 the challenge is used up.
"""

from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from identity.domain.opaque import sha256
from identity.domain.people.challenges import LIFETIME_S, Ceremony, is_ours, new_challenge
from identity.domain.people.factors import Passkey
from identity.domain.people.sealed_secrets import derived_key
from identity.domain.records import User
from identity.store.database import Tables
from shared_kernel.errors import ForbiddenError, InvalidInputError
from shared_kernel.ids import uuid7
from shared_kernel.strict_json import parse_strict

SECOND_US = 1_000_000
MAX_ANSWER = 16_384
_TRANSPORTS = frozenset(AuthenticatorTransport)
_TIMEOUT_MS = LIFETIME_S * 1_000
_UNREADABLE = (WebAuthnException, InvalidInputError, ValueError, TypeError, KeyError, AttributeError)


class PasskeyRefusedError(ForbiddenError):
    """A passkey's answer proves nothing; `reason` is for the ledger."""

    def __init__(self, reason: str, user_id: str | None = None) -> None:
        super().__init__("this passkey is not right for this sign-in: try again, or use another way")
        self.reason = reason
        self.user_id = user_id


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey that was shown, and whether its holder was verified (PIN, fingerprint)."""

    passkey: Passkey
    is_verified: bool


class Passkeys:
    """Asks and checks; `issuer` gives origin and RP ID."""

    def __init__(self, form_key: bytes, issuer: str) -> None:
        place = urlsplit(issuer)
        self._key = derived_key(form_key, "webauthn")
        self._rp_id = place.hostname or ""
        self._origin = f"{place.scheme}://{place.netloc}"

    def enrolment_options(self, user: User, existing: tuple[Passkey, ...], *, browser: str, now_us: int) -> str:
        """Return what navigator.credentials.create() is asked, as JSON."""
        return options_to_json(generate_registration_options(
            rp_id=self._rp_id, rp_name="Gridwarden", user_id=user.id.encode(), user_name=user.name,
            user_display_name=user.name, challenge=self._challenge(Ceremony.ENROL, browser, user.id, now_us),
            timeout=_TIMEOUT_MS, attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED),
            exclude_credentials=_descriptors(existing)))

    def sign_in_options(self, *, browser: str, form: str, asked_at_us: int) -> str:
        """Return what navigator.credentials.get() is asked on a login page: the same for everybody."""
        return options_to_json(generate_authentication_options(
            rp_id=self._rp_id, challenge=self._challenge(Ceremony.SIGN_IN, browser, "", asked_at_us, form),
            timeout=_TIMEOUT_MS, user_verification=UserVerificationRequirement.REQUIRED))

    def second_factor_options(self, user_id: str, passkeys: tuple[Passkey, ...], *, browser: str,
                              now_us: int) -> str:
        """Return what navigator.credentials.get() is asked of a person whose password was right."""
        return options_to_json(generate_authentication_options(
            rp_id=self._rp_id, challenge=self._challenge(Ceremony.SECOND_FACTOR, browser, user_id, now_us),
            timeout=_TIMEOUT_MS, allow_credentials=_descriptors(passkeys),
            user_verification=UserVerificationRequirement.DISCOURAGED))

    async def enrolled(self, tables: Tables, answer: str, user: User, *, name: str, browser: str,  # noqa: PLR0913 - a ceremony's parts
                       now_us: int) -> Passkey:
        """Return the new passkey behind an answer, its challenge used up; raise PasskeyRefusedError."""
        document, challenge = self._checked(answer, Ceremony.ENROL, browser, user.id, now_us)
        try:
            found = verify_registration_response(
                credential=document, expected_challenge=challenge, expected_rp_id=self._rp_id,
                expected_origin=self._origin)
            transports = document["response"].get("transports", [])
        except _UNREADABLE as cause:
            raise PasskeyRefusedError("registration_not_verified", user.id) from cause
        await _use_up(tables, challenge, now_us, user.id)
        return Passkey(
            uuid7(), user.id, name, found.credential_id, found.credential_public_key, found.sign_count,
            tuple(sorted(_TRANSPORTS & {each for each in transports if isinstance(each, str)})), found.aaguid,
            found.credential_device_type == CredentialDeviceType.MULTI_DEVICE, found.credential_backed_up, now_us)

    async def shown(self, tables: Tables, answer: str, ceremony: Ceremony, *, browser: str, now_us: int,  # noqa: PLR0913 - a ceremony's parts
                    user_id: str = "") -> Shown:
        """Return the passkey an answer proves, its challenge used up; raise PasskeyRefusedError.

        Without a `user_id` the passkey says who it is, and its holder must have been verified.
        """
        document, challenge = self._checked(answer, ceremony, browser, user_id, now_us)
        passkey = await _known(tables, document, user_id)
        try:
            found = verify_authentication_response(
                credential=document, expected_challenge=challenge, expected_rp_id=self._rp_id,
                expected_origin=self._origin, credential_public_key=passkey.public_key,
                credential_current_sign_count=0, require_user_verification=ceremony is Ceremony.SIGN_IN)
        except _UNREADABLE as cause:
            raise PasskeyRefusedError("assertion_not_verified", passkey.user_id) from cause
        if (found.new_sign_count or passkey.sign_count) and found.new_sign_count <= passkey.sign_count:
            raise PasskeyRefusedError("sign_count_went_back", passkey.user_id)
        if (found.credential_device_type == CredentialDeviceType.MULTI_DEVICE) is not passkey.is_backup_eligible:
            raise PasskeyRefusedError("backup_eligibility_changed", passkey.user_id)
        await _use_up(tables, challenge, now_us, passkey.user_id)
        await tables.factors.use_passkey(passkey.id, sign_count=found.new_sign_count,
                                         is_backed_up=found.credential_backed_up, now_us=now_us)
        return Shown(passkey, found.user_verified)

    def _challenge(self, ceremony: Ceremony, browser: str, user_id: str, now_us: int,
                   form: str | None = None) -> bytes:
        return new_challenge(ceremony, key=self._key, browser=browser, user_id=user_id, now_s=now_us // SECOND_US,
                             form=form)

    def _checked(self, answer: str, ceremony: Ceremony, browser: str, user_id: str,
                 now_us: int) -> tuple[dict[str, Any], bytes]:
        """Return the answer as a document and the challenge it answers, which is ours."""
        try:
            document, client_data = _read(answer)
            challenge = base64url_to_bytes(client_data["challenge"])
        except _UNREADABLE as cause:
            raise PasskeyRefusedError("malformed") from cause
        if not is_ours(challenge, ceremony, key=self._key, browser=browser, user_id=user_id,
                       now_s=now_us // SECOND_US):
            raise PasskeyRefusedError("foreign_challenge")
        if client_data.get("crossOrigin", False) is not False or "topOrigin" in client_data:
            raise PasskeyRefusedError("foreign_frame")
        return document, challenge


def _read(answer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(answer) > MAX_ANSWER:
        _malformed()
    document = parse_strict(answer.encode())
    if not isinstance(document, dict):
        _malformed()
    client_data = parse_strict(base64url_to_bytes(document["response"]["clientDataJSON"]))
    if not isinstance(client_data, dict):
        _malformed()
    return document, client_data


def _malformed() -> NoReturn:
    raise PasskeyRefusedError("malformed")


async def _known(tables: Tables, document: dict[str, Any], user_id: str) -> Passkey:
    """Return the passkey, held until the transaction ends; it must be this person's (WebAuthn 3 section 7.2 step 6)."""
    try:
        passkey = await tables.factors.passkey(base64url_to_bytes(document["rawId"]))
        handle = document["response"].get("userHandle")
        owner = base64url_to_bytes(handle).decode() if handle else None
    except _UNREADABLE as cause:
        raise PasskeyRefusedError("malformed") from cause
    if passkey is None:
        raise PasskeyRefusedError("unknown_credential", user_id or None)
    if user_id and passkey.user_id != user_id:
        raise PasskeyRefusedError("foreign_credential", user_id)
    if owner not in ({None, passkey.user_id} if user_id else {passkey.user_id}):
        raise PasskeyRefusedError("foreign_user_handle", passkey.user_id)
    return passkey


async def _use_up(tables: Tables, challenge: bytes, now_us: int, user_id: str) -> None:
    expires_at_us = now_us + LIFETIME_S * SECOND_US
    if not await tables.seen_proofs.claim("webauthn", sha256(challenge.hex()), expires_at_us):
        raise PasskeyRefusedError("challenge_used_before", user_id)


def _descriptors(passkeys: tuple[Passkey, ...]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=each.credential_id,
                                          transports=[AuthenticatorTransport(name) for name in each.transports] or None)
            for each in passkeys]
