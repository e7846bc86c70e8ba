"""`gridwarden ca`: what an operator gets, and what is refused."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from control_plane.cli import app
from control_plane.tls.private_names import UnusableNameError


def ca(home: Path, *words: str) -> str:
    """Run the command; return what it printed."""
    done = CliRunner().invoke(app, ["ca", *words, "--home", str(home)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_service_gets_a_certificate_that_openssl_believes(tmp_path: Path) -> None:
    told = json.loads(ca(tmp_path / "home", "issue", "billing.internal", "10.0.0.7", "--out", str(tmp_path), "--json"))

    assert [Path(file).name for file in told["files"]] == [
        "authority.pem", "billing.internal.key", "billing.internal.pem"]
    assert (tmp_path / "billing.internal.key").stat().st_mode & 0o777 == 0o600
    openssl = shutil.which("openssl")
    assert openssl is not None
    done = subprocess.run([
        openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "billing.internal",
        "-CAfile", str(tmp_path / "authority.pem"), str(tmp_path / "billing.internal.pem")], check=False)
    assert done.returncode == 0


def test_what_is_shown_is_the_same_at_every_start(tmp_path: Path) -> None:
    first, again = ca(tmp_path, "show"), ca(tmp_path, "show")

    assert first == again
    assert json.loads(ca(tmp_path, "show", "--json"))["certificate"] == first


def request(folder: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Path:
    """Write a request that asks for more than it gets."""
    csr = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
           .add_extension(x509.SubjectAlternativeName([x509.DNSName("evil.example.com")]), critical=False)
           .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
           .sign(key, hashes.SHA256()))
    path = folder / "service.csr"
    path.write_bytes(csr.public_bytes(Encoding.PEM))
    return path


def test_a_request_gives_the_key_and_nothing_else(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    ca(tmp_path / "home", "issue", "billing.internal", "--csr", str(request(tmp_path, key)), "--out", str(tmp_path))

    made = x509.load_pem_x509_certificate((tmp_path / "billing.internal.pem").read_bytes())
    assert made.public_key() == key.public_key()
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["billing.internal"]
    assert not (tmp_path / "billing.internal.key").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_what_is_no_request_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "service.csr"
    if content is None:
        request(tmp_path, rsa.generate_private_key(65_537, 2_048))
    else:
        path.write_bytes(content)

    with pytest.raises(UnusableNameError):
        ca(tmp_path / "home", "issue", "billing.internal", "--csr", str(path), "--out", str(tmp_path))


def test_a_public_name_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnusableNameError, match=r"grid\.example\.com"):
        ca(tmp_path / "home", "issue", "grid.example.com", "--out", str(tmp_path / "tls"))

    assert not (tmp_path / "tls").exists()
