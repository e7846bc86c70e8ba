"""Timestamps of an authority over a checkpoint note (RFC 3161 over HTTP, section 3.4).

What is stamped is SHA-256 of the signed note, so `openssl ts -verify -data NOTE -in SIZE.tsr -CAfile ROOTS` agrees.
An answer counts when, in this order: it grants; the signer's chain ends in one of our roots, valid at the time stamped,
for time stamping only (section 2.3); it carries our nonce; its imprint is ours; its time is near ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import (
    Certificate,
    DuplicateExtension,
    InvalidVersion,
    UnsupportedGeneralNameType,
    load_pem_x509_certificates,
)
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit_ledger.adapters.der_set import with_sorted_certificates
from shared_kernel.errors import InvalidInputError, UnavailableError

MAX_ANSWER_BYTES = 65_536
DEADLINE_S = 10.0
SKEW_US = 300_000_000
"""A key that leaked after its certificate expired can only stamp other times than now."""
_SHA256 = "2.16.840.1.101.3.4.2.1"
_QUERY, _OK = {"Content-Type": "application/timestamp-query"}, 200
_ODD = (ValueError, TypeError, InvalidVersion, DuplicateExtension, UnsupportedGeneralNameType, UnsupportedAlgorithm)
"""What the library raises over certificates it does not like, beside its own errors."""


class TimestampAuthorityDownError(UnavailableError):
    """The authority gives no answer."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the timestamp authority does not answer ({cause}): it is asked again later")


class RefusedTimestampError(UnavailableError):
    """The authority answered, and the answer proves nothing."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the timestamp authority's answer is refused: {why}; check its URL and the roots")


class NoRootsError(InvalidInputError):
    """The file of trusted roots holds no certificate."""

    def __init__(self) -> None:
        super().__init__("the timestamp roots are not PEM certificates: give the file of the authority's root")


@dataclass(frozen=True, slots=True)
class Timestamp:
    """When an authority has seen a note; `answer` is its whole TimeStampResp in DER."""

    at_us: int
    answer: bytes


class TimestampAuthority:
    """Asks one authority; believes nothing that does not verify."""

    def __init__(self, url: str, roots: Sequence[Certificate], *, deadline_s: float = DEADLINE_S) -> None:
        self._url, self._roots, self._deadline_s = url, roots, deadline_s
        self.name: str = urlsplit(url).hostname or url

    async def stamp(self, note: bytes, now_us: int) -> Timestamp:
        """Have a note stamped; TimestampAuthorityDownError, RefusedTimestampError."""
        request = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = await self._ask(request.as_bytes())
        stamp = verified_timestamp(answer, note, self._roots, nonce=request.nonce)
        if abs(stamp.at_us - now_us) > SKEW_US:
            raise RefusedTimestampError(f"its time is {(stamp.at_us - now_us) / 1_000_000:+.0f} s from ours")
        return stamp

    async def _ask(self, request: bytes) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._deadline_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(self._url, data=request, headers=_QUERY, allow_redirects=False) as answer,
            ):
                if answer.status != _OK:
                    raise TimestampAuthorityDownError(f"HTTP status {answer.status}")
                return await _capped(answer.content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise TimestampAuthorityDownError(type(cause).__name__) from cause


def trusted_roots(pem: bytes) -> list[Certificate]:
    """Read certificates; NoRootsError when there is none."""
    try:
        return load_pem_x509_certificates(pem)
    except ValueError as cause:
        raise NoRootsError from cause


def verified_timestamp(
    answer: bytes, note: bytes, roots: Sequence[Certificate], *, nonce: int | None = None,
) -> Timestamp:
    """Return what an answer proves about a note; without a nonce, as an auditor who finds it later."""
    try:
        found = decode_timestamp_response(with_sorted_certificates(answer))
        builder = VerifierBuilder(roots=list(roots), nonce=nonce)
        imprint = found.tst_info.message_imprint
        if imprint.hash_algorithm.dotted_string != _SHA256:
            raise RefusedTimestampError("its imprint is not a SHA-256")
        builder.build().verify(found, sha256(note).digest())
        return Timestamp(_us(found.tst_info.gen_time), answer)
    except (VerificationError, *_ODD) as cause:
        raise RefusedTimestampError(str(cause) or type(cause).__name__) from cause


def _us(moment: Any) -> int:  # noqa: ANN401 - the library is untyped
    return int(moment.timestamp()) * 1_000_000 + int(moment.microsecond)


async def _capped(content: aiohttp.StreamReader) -> bytes:
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise RefusedTimestampError(f"it is longer than {MAX_ANSWER_BYTES} bytes")
    return body
