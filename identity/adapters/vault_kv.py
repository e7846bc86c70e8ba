"""The signing keys as one secret in HashiCorp Vault (KV version 2).

It is written by check-and-set: of several processes that make or rotate keys one wins, the others read what it wrote.
The private keys are in this process's memory while it runs. A Vault that forgot them (a dev server restarted) gets the
last good ones back; a secret that somebody deleted on purpose is not written over.
"""

import asyncio
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from hvac.exceptions import InvalidPath, InvalidRequest

from identity.adapters.vault import Vault
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import SETTLING_S, KeyRings
from identity.domain.jose.ring_documents import from_document, to_document
from shared_kernel.errors import ConflictError, InvalidInputError, UnavailableError

MOUNT, PATH = "secret", "gridwarden/identity"
_TRIES = 5
_FORM_KEY_BYTES = 32


class VaultKeysUnusableError(UnavailableError):
    """What Vault holds is not our keys."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the signing keys in Vault at {MOUNT}/{PATH} are not usable: {why}")


class VaultKv:
    """A KeySource; `open` makes one, with the keys loaded."""

    def __init__(self, vault: Vault, *, path: str = PATH) -> None:
        self._vault, self._path = vault, path
        self._rings = KeyRings({})
        self._form_key = secrets.token_bytes(_FORM_KEY_BYTES)

    @classmethod
    async def open(cls, vault: Vault, now_us: int, *, path: str = PATH) -> "VaultKv":
        """Return the source with its keys, made at the first use; raise UnavailableError without Vault."""
        source = cls(vault, path=path)
        await source.load(now_us)
        return source

    def form_key(self) -> bytes:
        """Return the key that seals forms, the same for everybody on this secret."""
        return self._form_key

    def known(self, now_us: int) -> KeyRings:  # noqa: ARG002 - the protocol's, for sources that make keys here
        """Return what was loaded last."""
        return self._rings

    async def load(self, now_us: int) -> KeyRings:
        """Return every ring as it is now, making what is missing; raise UnavailableError."""
        for _ in range(_TRIES):
            version = await self._read()
            if version and not self._rings.missing:
                return self._rings
            whole = await asyncio.to_thread(self._rings.with_missing, now_us)
            if await self._write(whole, version):
                return self._rings
        raise VaultKeysUnusableError("it was deleted, or is being changed all the time: undelete it")

    async def rotate(self, now_us: int, *, algorithms: Iterable[str] = tuple(ALGORITHMS),
                     settling_s: int = SETTLING_S) -> KeyRings:
        """Move these rings on; raise ConflictError when it is too early or somebody else did, UnavailableError."""
        await self.load(now_us)
        version = await self._read()
        moved = await asyncio.to_thread(self._rings.rotated, now_us, tuple(algorithms), settling_s=settling_s)
        if not await self._write(moved, version):
            raise ConflictError("somebody else has just changed the keys in Vault: look again")
        return self._rings

    async def _read(self) -> int:
        """Read the secret into memory and return its version, 0 when there is none."""
        try:
            answer = await self._vault.ask(lambda client: client.secrets.kv.v2.read_secret_version(
                self._path, mount_point=MOUNT, raise_on_deleted_version=True))
        except InvalidPath:
            return 0
        try:
            secret, version = answer["data"]["data"], int(answer["data"]["metadata"]["version"])
            self._rings, self._form_key = from_document(secret["rings"]), b64decode(secret["form_key"], validate=True)
        except (InvalidInputError, KeyError, TypeError, ValueError) as cause:
            raise VaultKeysUnusableError("the secret is damaged: roll it back to an older version") from cause
        return version

    async def _write(self, rings: KeyRings, version: int) -> bool:
        """Write on top of that version; answer False when somebody was faster."""
        secret = {"rings": to_document(rings), "form_key": b64encode(self._form_key).decode()}

        def put(client: Any) -> None:  # noqa: ANN401 - hvac is untyped
            client.secrets.kv.v2.create_or_update_secret(self._path, secret, cas=version, mount_point=MOUNT)

        try:
            await self._vault.ask(put)
        except InvalidRequest:
            return False
        except InvalidPath as cause:
            raise VaultKeysUnusableError("the KV engine (version 2) is not mounted") from cause
        self._rings = rings
        return True
