"""Signs with a key that never leaves HashiCorp Vault (transit engine, key type ed25519).

The ledger's name and public key are in `keys/ledger.vkey` from the first use on, and are pinned: another key under the
same name in Vault, a rotated one whose first version may not sign any more, or an answer that does not verify, is
refused. While Vault is down nothing is signed; sealing goes on without it. Vault is asked through a session that is
handed in (it logs in and renews), or with a plain token, which each signature renews.
"""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import hvac
from hvac.exceptions import InvalidPath, VaultError

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.c2sp.ed25519 import public_key
from audit_ledger.domain.c2sp.note import ED25519, VerifierKey, signature_line, strict_base64
from audit_ledger.domain.errors import MalformedNoteError
from shared_kernel.errors import UnavailableError

TIMEOUT_S = 5
_Answer = TypeVar("_Answer")


class Vault(Protocol):
    """Asks Vault off the loop."""

    async def ask(self, question: Callable[[Any], _Answer]) -> _Answer:
        """Run a blocking question with an hvac client; raise hvac's InvalidPath, UnavailableError for the rest."""


class TokenVault:
    """Asks with one token; as long as it is used and Vault lets it, it lives."""

    def __init__(self, address: str, token: str) -> None:
        self._client = hvac.Client(url=address, token=token, timeout=TIMEOUT_S)

    async def ask(self, question: Callable[[Any], _Answer]) -> _Answer:
        """Run the question, then renew the token; hvac's own timeout ends it."""
        return await asyncio.to_thread(self._renewing, question)

    def _renewing(self, question: Callable[[Any], _Answer]) -> _Answer:
        answer = question(self._client)
        with contextlib.suppress(VaultError):  # a token that cannot be renewed works for as long as it works
            self._client.auth.token.renew_self()
        return answer


class VaultDownError(UnavailableError):
    """Vault does not answer, or does not let us; nothing was signed."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"Vault cannot sign now ({cause}): check VAULT_ADDR, VAULT_TOKEN, its policy and that the "
                         "transit engine is mounted; retry later")


class ForeignVaultKeyError(UnavailableError):
    """Vault's key is not the one under which this ledger's checkpoints are signed."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the Vault key {key} cannot sign this ledger's checkpoints: {why}; auditors trust the key in "
                         "keys/ledger.vkey: bring that version back (min_encryption_version), or start a new ledger")


class VaultSigner:
    """Signs notes under the pinned key; `open` makes one."""

    def __init__(self, vault: Vault, key: str, verifier: VerifierKey) -> None:
        self._vault, self._key = vault, key
        self.name: str = verifier.name
        self.verifier: VerifierKey = verifier

    @classmethod
    async def open(cls, address: str, token: str, *, key: str, folder: LedgerFolder) -> "VaultSigner":
        """Return the signer of the ledger in `folder`, which asks with a plain token; see `by`."""
        return await cls.by(TokenVault(address, token), key=key, folder=folder)

    @classmethod
    async def by(cls, vault: Vault, *, key: str, folder: LedgerFolder) -> "VaultSigner":
        """Return the signer of the ledger in `folder`; its first use makes the ledger's name, and the key in Vault.

        With a ledger that has a name already, Vault need not answer yet.
        """
        verifier = folder.verifier()
        if verifier is None:
            raw = await _ask(vault, lambda client: _first_key(client, key))
            verifier = VerifierKey(f"gridwarden/{secrets.token_hex(4)}", ED25519, raw)
            folder.remember(verifier)
        return cls(vault, key, verifier)

    async def sign(self, text: str) -> str:
        """Return the signed note; VaultDownError, ForeignVaultKeyError."""
        if not text.endswith("\n"):
            raise MalformedNoteError("a note's text ends with a newline")
        signature = await _ask(self._vault, lambda client: self._signature(client, text))
        if not self.verifier.has_signed(text, signature):
            raise ForeignVaultKeyError(self._key, "its signature does not verify")
        return f"{text}\n{signature_line(self.verifier, signature)}"

    def _signature(self, client: Any, text: str) -> bytes:  # noqa: ANN401 - hvac is untyped
        try:
            version = self._pinned_version(_key_data(client, self._key))
        except InvalidPath as cause:
            raise ForeignVaultKeyError(self._key, "it is gone") from cause
        answer = client.secrets.transit.sign_data(
            self._key, hash_input=base64.b64encode(text.encode()).decode(), key_version=version)
        return strict_base64(str(answer["data"]["signature"]).removeprefix(f"vault:v{version}:"))

    def _pinned_version(self, data: Any) -> int:  # noqa: ANN401 - JSON
        """Return which version of Vault's key is ours: never simply the newest."""
        found = [version for version, raw in _public_keys(data).items() if raw == self.verifier.key]
        if not found:
            raise ForeignVaultKeyError(self._key, "none of its versions has this ledger's public key")
        if found[0] < int(data["min_encryption_version"]):
            raise ForeignVaultKeyError(self._key, f"it was rotated, and its version {found[0]} may not sign any more")
        return found[0]


def _first_key(client: Any, key: str) -> bytes:  # noqa: ANN401 - hvac is untyped
    """Return the public key to pin: the newest version's; a key that does not exist is made."""
    try:
        data = _key_data(client, key)
    except InvalidPath:
        client.secrets.transit.create_key(key, key_type="ed25519")
        data = _key_data(client, key)
    keys = _public_keys(data)
    return keys[max(keys)]


def _key_data(client: Any, key: str) -> Any:  # noqa: ANN401 - hvac is untyped
    data = client.secrets.transit.read_key(key)["data"]
    if data["type"] != "ed25519":
        raise ForeignVaultKeyError(key, f"it is of type {data['type']}, not ed25519")
    return data


def _public_keys(data: Any) -> dict[int, bytes]:  # noqa: ANN401 - JSON
    keys = {int(version): strict_base64(held["public_key"]) for version, held in data["keys"].items()}
    for raw in keys.values():
        public_key(raw)  # refuses what is no key
    return keys


async def _ask(vault: Vault, question: Callable[[Any], _Answer]) -> _Answer:
    """Ask, and say in one sentence why there is no answer."""
    try:
        return await vault.ask(question)
    except (VaultError, OSError) as cause:
        raise VaultDownError(type(cause).__name__) from cause
    except (KeyError, TypeError, ValueError, AttributeError, MalformedNoteError) as cause:
        raise VaultDownError("it answers in a way we do not know") from cause
