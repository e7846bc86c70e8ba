"""TLS that takes any client certificate and leaves judging it to identity (RFC 8705 sections 2.2 and 3).

Python's own ssl either asks for no certificate or refuses those it has no authority for; a self-signed one that a
client registered, or one that only binds tokens to a key, would never arrive. OpenSSL itself can let it pass (a verify
callback, which pyOpenSSL offers). The handshake still proves that the client holds the private key, which is all TLS
can say here.

`AnyCertificateContext` is an `ssl.SSLContext` because asyncio and uvloop insist; they only ever call `wrap_bio`.
"""

import ssl
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

_CHUNK = 65_536


class AnyCertificateContext(ssl.SSLContext):
    """A server's context whose connections know their client's certificate, whoever issued it.

    `requires_certificate` ends handshakes in which the client shows none.
    """

    engine: SSL.Context

    @classmethod
    def for_server(cls, *, requires_certificate: bool) -> "AnyCertificateContext":
        """Make a context without a key pair; `load_cert_chain` gives it one, and may give it another later."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made.engine = SSL.Context(SSL.TLS_SERVER_METHOD)
        made.engine.set_verify(
            SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if requires_certificate else 0), _accept)
        made.engine.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        made.engine.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        return made

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:  # noqa: ANN401 - ssl's own
        """Take a key pair; connections made from now on show it."""
        super().load_cert_chain(certfile, keyfile, password)
        self.engine.use_certificate_chain_file(str(certfile))
        self.engine.use_privatekey_file(str(keyfile or certfile))
        self.engine.check_privatekey()

    def restrict(self, *, minimum: ssl.TLSVersion, ciphers: str) -> None:
        """Set the oldest version and, for TLS 1.2, the ciphers."""
        self.engine.set_min_proto_version(int(minimum))
        self.engine.set_cipher_list(ciphers.encode("ascii"))

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **_options: Any) -> Any:  # noqa: ANN401 - stands in for an ssl.SSLObject
        """Return the TLS state machine of one connection."""
        connection = SSL.Connection(self.engine, None)
        connection.set_accept_state()
        return _TlsObject(connection, incoming, outgoing)


def _accept(*_: object) -> bool:
    return True


class _TlsObject:
    """What asyncio and uvloop use of an `ssl.SSLObject`, over pyOpenSSL's in-memory connection."""

    server_side = True

    def __init__(self, connection: SSL.Connection, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._connection, self._incoming, self._outgoing = connection, incoming, outgoing
        self._may_hold_more = False

    def do_handshake(self) -> None:
        """Go on with the handshake; raise ssl.SSLWantReadError until it is done."""
        self._through(self._connection.do_handshake)

    def read(self, length: int = 1024, buffer: Any = None) -> Any:  # noqa: ANN401 - bytes, or how many went into the buffer
        """Return decrypted bytes, or put them into `buffer` and return how many; none at the end."""
        if buffer is None:
            return self._through(self._connection.recv, length) or b""
        found = self._through(self._connection.recv, min(length, len(buffer))) or b""
        buffer[: len(found)] = found
        return len(found)

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Encrypt; return how many bytes were taken."""
        return int(self._through(self._connection.send, bytes(data)) or 0)

    def unwrap(self) -> None:
        """Say goodbye, and hear it if the other side does."""
        if not self._through(self._connection.shutdown):
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "waiting for close_notify")

    def pending(self) -> int:
        """Return how many decrypted bytes wait, at least 1 while records may lie undecrypted in the connection.

        uvloop asks this before it reads: a request that came with the end of the handshake is taken in with it.
        """
        return self._connection.pending() or int(self._may_hold_more)

    def getpeercert(self, binary_form: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - ssl's own
        """Return the client's certificate in DER, None without one; the other form would vouch: empty."""
        found = self._connection.get_peer_certificate(as_cryptography=True)
        if not binary_form:
            return {}
        return found.public_bytes(Encoding.DER) if found is not None else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Return name, protocol and strength of the cipher."""
        name = self._connection.get_cipher_name()
        return None if name is None else (
            name, self._connection.get_cipher_version() or "", self._connection.get_cipher_bits() or 0)

    def compression(self) -> None:
        """Return None: there is no compression."""

    def _through(self, act: Any, *values: Any) -> Any:  # noqa: ANN401 - a bound method of the connection
        """Carry bytes in, act, carry bytes out; translate what pyOpenSSL raises into what asyncio knows."""
        self._take_in()
        try:
            return act(*values)
        except SSL.WantReadError as cause:
            self._may_hold_more = False
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more bytes are needed") from cause
        except SSL.ZeroReturnError:
            return None
        except SSL.SysCallError as cause:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection ended inside TLS") from cause
        except SSL.Error as cause:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, str(cause.args[0] if cause.args else "TLS failed")) from cause
        finally:
            self._give_out()

    def _take_in(self) -> None:
        while data := self._incoming.read(_CHUNK):
            self._connection.bio_write(data)
            self._may_hold_more = True

    def _give_out(self) -> None:
        try:
            while True:
                self._outgoing.write(self._connection.bio_read(_CHUNK))
        except SSL.WantReadError:
            return
