"""What `gridwarden ca` does, on the home's files."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.config import load_settings
from control_plane.home import Home, UnusableHomeError
from control_plane.tls.authority import Authority, write_private
from control_plane.tls.private_names import UnusableNameError
from shared_kernel.clock import SystemClock


def shown(home: Path | None) -> dict[str, Any]:
    """Return the authority's certificate, its fingerprint and its end."""
    found = _authority(home).certificate
    return {**_facts(found), "certificate": found.public_bytes(Encoding.PEM).decode()}


def issued(home: Path | None, names: Sequence[str], *, out: Path, csr: Path | None, days: int) -> dict[str, Any]:
    """Issue, write the files, and tell what was written; raise UnusableNameError, UnusableHomeError."""
    authority, lifetime = _authority(home), dt.timedelta(days=days)
    if csr is None:
        made = authority.for_service(names, lifetime=lifetime)
    else:
        made = authority.for_request(_read(csr), names, lifetime=lifetime)
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = {out / f"{names[0]}.pem": made.certificate, out / "authority.pem": made.authority}
        for path, content in files.items():
            path.write_bytes(content)
        if made.key is not None:
            write_private(out / f"{names[0]}.key", made.key)
            files[out / f"{names[0]}.key"] = b""
    except OSError as cause:
        raise UnusableHomeError(out, cause.strerror or "error") from cause
    return {**_facts(x509.load_pem_x509_certificate(made.certificate)), "files": sorted(str(path) for path in files)}


def _authority(home: Path | None) -> Authority:
    place = Home(load_settings(home=home).home.resolve())
    try:
        place.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise UnusableHomeError(place.root, cause.strerror or "error") from cause
    return Authority(place.authority, SystemClock())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise UnusableNameError(f"{path} cannot be read ({cause.strerror})") from cause


def _facts(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(), "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "ends_at": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
