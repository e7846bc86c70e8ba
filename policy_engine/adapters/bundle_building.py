"""Making a bundle file of a folder's policies: its manifest, and its signature if there is a key."""

from collections.abc import Mapping

from policy_engine.adapters.inspection import packages
from policy_engine.domain.bundle import Bundle
from policy_engine.domain.bundle_signature import SIGNATURES_FILE, SigningKey
from policy_engine.domain.manifest import MANIFEST_FILE, Manifest


def built(bundle: Bundle, *, built_at_us: int, name: str = "", sequence: int | None = None) -> dict[str, bytes]:
    """Return the files of a bundle with their manifest; it is called by its revision unless a name is given.

    Without a sequence it is the time of the build. `roots` are the top-level packages and data, as OPA wants them, so
    that other bundles may live beside it in one OPA.
    """
    roots = {package.split(".")[0] for package in packages(bundle.policies)} | bundle.data.keys()
    manifest = Manifest(name or bundle.revision, tuple(sorted(roots)), built_at_us, sequence or built_at_us)
    return {**bundle.files, MANIFEST_FILE: manifest.to_json()}


def signed(files: Mapping[str, bytes], key: SigningKey) -> dict[str, bytes]:
    """Return the files with a signature of this key, instead of any before."""
    unsigned = {name: raw for name, raw in files.items() if name != SIGNATURES_FILE}
    return {**unsigned, SIGNATURES_FILE: key.sign(unsigned)}
