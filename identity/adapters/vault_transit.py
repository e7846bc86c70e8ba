"""Signing keys that never leave HashiCorp Vault (transit engine): here are only the public halves.

Each algorithm is one transit key, `gridwarden-es256` and so on; its versions are the generations. The newest version
is `next`, the newest of the others that everybody can have seen is `current`, the one before it `previous`. So two
rotations at once do no harm: the younger versions wait. Transit signs a batch in one request: what is asked while a
request is under way goes out together.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from hvac.exceptions import InvalidPath, InvalidRequest
from joserfc.errors import JoseError

from identity.adapters.vault import Vault
from identity.domain.jose.algorithms import ALGORITHMS, KEY_CLASSES, Algorithm, Key
from identity.domain.jose.compact import encoded
from identity.domain.jose.key_ring import SETTLING_S, KeyRing, KeyRings, SigningKey
from shared_kernel.clock import from_iso
from shared_kernel.errors import ConflictError, UnavailableError

_TYPES = {"ES256": "ecdsa-p256", "RS256": "rsa-2048", "PS256": "rsa-2048", "EdDSA": "ed25519"}
_WAYS: Mapping[str, Mapping[str, str]] = {
    "ES256": {"hash_algorithm": "sha2-256", "marshaling_algorithm": "jws"},
    "RS256": {"hash_algorithm": "sha2-256", "signature_algorithm": "pkcs1v15"},
    "PS256": {"hash_algorithm": "sha2-256", "signature_algorithm": "pss", "salt_length": "hash"},
    "EdDSA": {},
}
"""RFC 7518 sections 3.3 to 3.5: r and s side by side, and a salt as long as the hash."""
_FORM_KEY = "gridwarden-form"
_FORM_TEXT = b64encode(b"gridwarden identity form key").decode()
MAX_BATCH = 64


class TransitUnusableError(UnavailableError):
    """Vault's transit engine does not hold, or does not use, our keys."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the transit key {name} in Vault cannot sign: {why}")


class VaultTransit:
    """A KeySource; `open` makes one, with the public keys loaded."""

    def __init__(self, vault: Vault, *, settling_s: int = SETTLING_S) -> None:
        self._vault, self._settling_us = vault, settling_s * 1_000_000
        self._rings = KeyRings({})
        self._form_key = b""

    @classmethod
    async def open(cls, vault: Vault, now_us: int, *, settling_s: int = SETTLING_S) -> "VaultTransit":
        """Return the source with its keys, made in Vault at the first use; raise UnavailableError without Vault."""
        source = cls(vault, settling_s=settling_s)
        await source.load(now_us)
        source._form_key = await vault.ask(_form_key)
        return source

    def form_key(self) -> bytes:
        """Return the key that seals forms: a MAC that only this Vault computes."""
        return self._form_key

    def known(self, now_us: int) -> KeyRings:  # noqa: ARG002 - the protocol's, for sources that make keys here
        """Return what was loaded last."""
        return self._rings

    async def load(self, now_us: int) -> KeyRings:
        """Return every ring as it is now; keys are made only as long as this process knows none."""
        self._rings = KeyRings({name: await self._ring(name, now_us) for name in ALGORITHMS})
        return self._rings

    async def rotate(self, now_us: int, *, algorithms: Iterable[str] = tuple(ALGORITHMS),
                     settling_s: int = SETTLING_S) -> KeyRings:
        """Move these rings on; raise ConflictError while it is too early for one of them, UnavailableError."""
        self._settling_us = settling_s * 1_000_000
        rings, wanted = await self.load(now_us), tuple(algorithms)
        for name in wanted:
            youngest = max(key.created_at_us for key in rings.rings[name].published())
            if now_us - youngest < self._settling_us:
                raise ConflictError(f"the next key was published less than {settling_s} s ago: rotate later")
        for name in wanted:
            await self._vault.ask(partial(_rotate, _name(name)))
        return await self.load(now_us)

    async def _ring(self, algorithm: str, now_us: int) -> KeyRing:
        name = _name(algorithm)
        try:
            data = await self._vault.ask(lambda client: client.secrets.transit.read_key(name)["data"])
        except InvalidPath as cause:
            if algorithm in self._rings.rings:
                raise TransitUnusableError(name, "it is gone: restore Vault from a backup") from cause
            data = await self._made(name, algorithm)
        if data.get("type") != _TYPES[algorithm]:
            raise TransitUnusableError(name, f"it is of type {data.get('type')}, not {_TYPES[algorithm]}")
        return self._by_age(self._versions(data, algorithm), now_us)

    async def _made(self, name: str, algorithm: str) -> Any:  # noqa: ANN401 - JSON
        """Make a key of two versions: the first signs, the second is next."""
        def make(client: Any) -> Any:  # noqa: ANN401 - hvac is untyped
            transit = client.secrets.transit
            transit.create_key(name, key_type=_TYPES[algorithm])
            if int(transit.read_key(name)["data"]["latest_version"]) == 1:
                transit.rotate_key(name)
            return transit.read_key(name)["data"]

        try:
            return await self._vault.ask(make)
        except (InvalidPath, InvalidRequest) as cause:
            raise TransitUnusableError(name, "it cannot be made: mount the transit engine") from cause

    def _versions(self, data: Any, algorithm: str) -> list[SigningKey]:  # noqa: ANN401 - JSON
        """Return the key of each version, the oldest first."""
        try:
            return [self._signing_key(algorithm, int(version), held)
                    for version, held in sorted(data["keys"].items(), key=lambda item: int(item[0]))]
        except (KeyError, TypeError, ValueError, JoseError) as cause:
            raise TransitUnusableError(_name(algorithm), "its public halves are not readable") from cause

    def _signing_key(self, algorithm: str, version: int, held: Mapping[str, str]) -> SigningKey:
        chosen = ALGORITHMS[algorithm]
        key = _public(held["public_key"], chosen)
        known = self._rings.find(key.thumbprint())
        created_at_us = from_iso(f"{held['creation_time'][:19]}.000000Z")
        signer = known.signer if known else TransitSigner(self._vault, _name(algorithm), version, chosen, key)
        return SigningKey.of(chosen, key, created_at_us, signer)

    def _by_age(self, keys: list[SigningKey], now_us: int) -> KeyRing:
        """Tell the generations apart by their age."""
        if len(keys) == 1:
            return KeyRing(next=keys[0], current=keys[0])
        settled = [at for at, key in enumerate(keys[:-1]) if now_us - key.created_at_us >= self._settling_us]
        at = settled[-1] if settled else 0
        return KeyRing(current=keys[at], next=keys[at + 1], previous=keys[at - 1] if at else None,
                       waiting=tuple(keys[at + 2:]))


class TransitSigner:
    """Signs with one version of a transit key; a signature that does not verify never leaves."""

    def __init__(self, vault: Vault, name: str, version: int, algorithm: Algorithm, key: Key) -> None:
        self._vault, self._name, self._version, self._algorithm, self._key = vault, name, version, algorithm, key
        self._waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def sign(self, message: bytes) -> bytes:
        """Return the signature; raise UnavailableError."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, future))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return await future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._send(batch)
        finally:
            self._sending = None

    async def _send(self, batch: list[tuple[bytes, asyncio.Future[bytes]]]) -> None:
        try:
            signatures = await self._vault.ask(lambda client: self._signatures(client, [text for text, _ in batch]))
            for (message, future), signature in zip(batch, signatures, strict=True):
                self._answer(future, message, signature)
        except BaseException as error:
            refused = self._refused(error)
            for _, future in batch:
                if not future.done():
                    future.set_exception(refused)
            if not isinstance(error, Exception):
                raise

    def _refused(self, error: BaseException) -> UnavailableError:
        if isinstance(error, UnavailableError):
            return error
        return TransitUnusableError(self._name, f"{type(error).__name__}: it is gone, or does not let us")

    def _answer(self, future: "asyncio.Future[bytes]", message: bytes, signature: bytes) -> None:
        if future.done():  # whoever asked has gone
            return
        if self._algorithm.holds(message, signature, self._key):
            future.set_result(signature)
        else:
            future.set_exception(TransitUnusableError(self._name, "it is another key than the one published"))

    def _signatures(self, client: Any, messages: list[bytes]) -> list[bytes]:  # noqa: ANN401 - hvac is untyped
        answer = client.secrets.transit.sign_data(
            self._name, key_version=self._version, **_WAYS[self._algorithm.name],
            batch_input=[{"input": b64encode(message).decode()} for message in messages])
        prefix = f"vault:v{self._version}:"
        return [_bytes(str(found["signature"]).removeprefix(prefix)) for found in answer["data"]["batch_results"]]


def _name(algorithm: str) -> str:
    return f"gridwarden-{algorithm.lower()}"


def _rotate(name: str, client: Any) -> None:  # noqa: ANN401 - hvac is untyped
    client.secrets.transit.rotate_key(name)


def _public(text: str, algorithm: Algorithm) -> Key:
    if algorithm.kty == "OKP":
        return KEY_CLASSES["OKP"].import_key({"kty": "OKP", "crv": "Ed25519", "x": encoded(b64decode(text))})
    return KEY_CLASSES[algorithm.kty].import_key(text)


def _bytes(text: str) -> bytes:
    """Vault answers plain base64, and base64url without padding for ECDSA as JWS wants it."""
    return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if "-" in text or "_" in text else None)


def _form_key(client: Any) -> bytes:  # noqa: ANN401 - hvac is untyped
    transit = client.secrets.transit
    try:
        transit.read_key(_FORM_KEY)
    except InvalidPath:
        transit.create_key(_FORM_KEY, key_type="aes256-gcm96")
    mac = transit.generate_hmac(_FORM_KEY, hash_input=_FORM_TEXT, key_version=1, algorithm="sha2-256")
    return b64decode(str(mac["data"]["hmac"]).removeprefix("vault:v1:"))
