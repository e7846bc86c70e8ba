"""The transmitters an operator trusts (YAML): `transmitters: [{issuer, jwks_uri, audience, subjects}]`."""

from pathlib import Path
from typing import Any

import yaml

from identity.domain.signals.received import Names, TrustedTransmitter
from shared_kernel.errors import GridwardenError

MAX_BYTES, MAX_TRANSMITTERS = 65_536, 64
_NEEDED, _OPTIONAL = {"issuer", "jwks_uri"}, {"audience", "subjects"}


class UnusableTransmittersError(GridwardenError):
    """The file cannot be used; the sentence says why."""


def transmitters_of(path: Path, audience: str) -> tuple[TrustedTransmitter, ...]:
    """Return whom a file trusts; they call us `audience` unless it says otherwise."""
    try:
        return tuple(_read(item, audience) for item in _items(path))
    except (OSError, yaml.YAMLError, ValueError) as cause:
        raise UnusableTransmittersError(f"the transmitters in {path} cannot be used: {cause}") from cause


def _items(path: Path) -> list[Any]:
    document = yaml.safe_load(path.read_bytes()[:MAX_BYTES])
    found = document.get("transmitters") if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(found, list) or len(found) > MAX_TRANSMITTERS:
        raise ValueError(f"it must hold one list named transmitters, of at most {MAX_TRANSMITTERS}")
    return found


def _read(item: Any, audience: str) -> TrustedTransmitter:  # noqa: ANN401 - any YAML value
    if not isinstance(item, dict) or not _NEEDED <= item.keys() <= _NEEDED | _OPTIONAL:
        raise ValueError("each transmitter has issuer and jwks_uri, and may have audience and subjects")
    if not all(isinstance(value, str) and value for value in item.values()):
        raise ValueError("every member is a text")
    if not item["jwks_uri"].startswith("https://"):
        raise ValueError(f"jwks_uri must start with https://, not {item['jwks_uri']!r}")
    if item.get("subjects", Names.NONE) not in list(Names):
        raise ValueError(f"subjects must be one of {', '.join(Names)}")
    return TrustedTransmitter(item["issuer"], item.get("audience", audience), item["jwks_uri"],
                              Names(item.get("subjects", Names.NONE)))
