"""A real timestamp authority: `openssl ts -reply` behind a small HTTP server, under a root of its own."""

import datetime as dt
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.servers.built import missing

Tamper = Callable[[bytes, bytes], bytes]
"""(request, honest answer) -> the answer given."""

LIFETIME = dt.timedelta(days=30)
CONFIG = """[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
certs = {folder}/root.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(slots=True)
class Authority:
    """What a test needs of the server; its answers can be made worse."""

    folder: Path
    url: str = ""
    requests: int = 0
    refusals: int = 0
    is_down: bool = False
    tamper: Tamper | None = None
    """Changes honest answers."""

    @property
    def roots(self) -> bytes:
        """The root certificate, PEM."""
        return (self.folder / "root.pem").read_bytes()

    def answer(self, request: bytes) -> bytes:
        """Return openssl's TimeStampResp."""
        self.requests += 1
        query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
        query.write_bytes(request)
        done = subprocess.run(
            ["openssl", "ts", "-reply", "-config", self.folder / "ts.cnf", "-section", "tsa", "-queryfile", query,
             "-out", reply], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"openssl ts: {done.stderr[-300:]}")
        honest = reply.read_bytes()
        return self.tamper(request, honest) if self.tamper else honest

    def verdict(self, note: Path, answer: Path) -> str:
        """Return what `openssl ts -verify` says."""
        return subprocess.run(
            ["openssl", "ts", "-verify", "-data", note, "-in", answer, "-CAfile", self.folder / "root.pem"],
            capture_output=True, text=True, check=False).stdout.strip()


@contextmanager
def timestamp_authority(folder: Path, *, lifetime: dt.timedelta = LIFETIME) -> Iterator[Authority]:
    """Run an authority; a negative lifetime makes its certificate an expired one."""
    if shutil.which("openssl") is None:
        missing("no openssl command: install OpenSSL")
    folder.mkdir(parents=True, exist_ok=True)
    _certify(folder, lifetime)
    (folder / "serial").write_text("01\n")
    (folder / "ts.cnf").write_text(CONFIG.format(folder=folder))
    authority = Authority(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(authority))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    authority.url = f"http://127.0.0.1:{server.server_address[1]}/tsr"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()


def _handler(authority: Authority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.is_down or self.headers["Content-Type"] != "application/timestamp-query":
                authority.refusals += 1
                self.send_error(503)
                return
            answer = authority.answer(request)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler


def _certify(folder: Path, lifetime: dt.timedelta) -> None:
    now = dt.datetime.now(dt.UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _name("test root"), _name("test authority")
    day = dt.timedelta(days=1)
    root = (
        x509.CertificateBuilder().subject_name(root_name).issuer_name(root_name).public_key(root_key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - 400 * day).not_valid_after(now + 400 * day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256()))
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(root_name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - 100 * day).not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False),
            critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256()))
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "signer.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "signer.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
