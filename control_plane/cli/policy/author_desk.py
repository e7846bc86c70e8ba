"""What an author of policies does at a desk: build, sign, verify. No gateway and no database are needed."""

import asyncio
from pathlib import Path
from typing import Any

from control_plane.wiring.policy import SHIPPED_POLICIES
from policy_engine.adapters.bundle_archive import bundle_from, packed, unpacked
from policy_engine.adapters.bundle_building import built, signed
from policy_engine.adapters.bundle_file import BundleFile
from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle import Bundle
from policy_engine.domain.bundle_signature import SigningKey, VerificationKey
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.errors import GridwardenError


class UnwritableError(GridwardenError):
    """There is no place for the file."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be written ({why}): name another file with --output")


def built_from(  # noqa: PLR0913 - what goes into a bundle
    folder: Path | None, output: Path, key: Path | None, password: str | None, *, name: str, sequence: int | None,
) -> tuple[Bundle, bool]:
    """Write a folder's bundle; return it, and whether it is signed. Raise RefusedBundleError."""
    bundle = BundleFolder(folder or SHIPPED_POLICIES).read()
    tried(bundle)
    files = built(bundle, built_at_us=SystemClock().now_us(), name=name, sequence=sequence)
    if key is not None:
        files = signed(files, _signing_key(key, password))
    written(output, packed(files))
    return bundle_from(files, None), key is not None


def signed_again(bundle: Path, output: Path, key: Path, password: str | None) -> Bundle:
    """Write a bundle with this signature; raise RefusedBundleError for what no gateway would take."""
    files = signed(unpacked(bundle.read_bytes()), _signing_key(key, password))
    found = bundle_from(files, None)
    tried(found)
    written(output, packed(files))
    return found


def verified(bundle: Path, key: Path | None) -> Bundle:
    """Return a bundle that a gateway with this key would take; raise RefusedBundleError."""
    found = BundleFile(bundle, VerificationKey.from_pem(key.read_bytes()) if key else None).read()
    tried(found)
    return found


def tried(bundle: Bundle) -> None:
    """Compile a bundle and ask it what every policy must refuse."""
    asyncio.run(RegorusEvaluator().prepare(bundle))


def read(path: Path | None) -> Bundle:
    """Return the bundle of a folder, of a file, or the shipped one."""
    place = path or SHIPPED_POLICIES
    return BundleFolder(place).read() if place.is_dir() else BundleFile(place).read()


def told(bundle: Bundle) -> dict[str, Any]:
    """Return what a bundle says of itself."""
    built_at = to_iso(bundle.built_at_us) if bundle.built_at_us is not None else None
    return {"name": bundle.name, "revision": bundle.revision, "built_at": built_at, "sequence": bundle.sequence}


def written(path: Path, content: bytes) -> None:
    """Write a file in one step: a gateway that watches it never reads half of it."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as cause:
        raise UnwritableError(path, cause.strerror or "error") from cause


def _signing_key(path: Path, password: str | None) -> SigningKey:
    return SigningKey.from_pem(path.read_bytes(), password.encode() if password else None)
