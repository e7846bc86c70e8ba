"""Where the policy comes from: a folder, a signed file, and the channel that all processes on one database share."""

from pathlib import Path

import asyncpg

import policy_engine
from control_plane.config import ConfigurationError, Settings
from policy_engine.adapters.bundle_file import BundleFile
from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle_signature import UnusableKeyError, VerificationKey
from policy_engine.service import BundleSource
from policy_engine.service.membership import Membership, steady_us
from policy_engine.service.publishing import Publisher
from policy_engine.store.bundle_channel import BundleChannel
from shared_kernel.clock import Clock
from shared_kernel.events import Recorder

SHIPPED_POLICIES = Path(policy_engine.__file__).parent.parent / "opa_policies"


def verification_key(settings: Settings) -> VerificationKey | None:
    """Return the author's public key, if one is configured; raise ConfigurationError when it is none."""
    path = settings.policy_verification_key
    if path is None:
        return None
    try:
        return VerificationKey.from_pem(path.read_bytes())
    except (OSError, UnusableKeyError) as cause:
        raise ConfigurationError(f"GRIDWARDEN_POLICY_VERIFICATION_KEY names {path}: {cause}") from cause


def source_of(settings: Settings, key: VerificationKey | None) -> BundleSource:
    """Return what decides until something is published; the shipped policy is as trusted as the code beside it."""
    path = settings.policy_bundle
    if path is None:
        return BundleFolder(SHIPPED_POLICIES)
    if not path.is_dir():
        return BundleFile(path, key)
    if key is not None:
        raise ConfigurationError(
            f"GRIDWARDEN_POLICY_BUNDLE names the folder {path}, and GRIDWARDEN_POLICY_VERIFICATION_KEY wants a signed "
            f"file: run `gridwarden policy build {path} --key policy.key -o policy.tar.gz` and name that")
    return BundleFolder(path)


def archive_of(settings: Settings, key: VerificationKey | None) -> bytes | None:
    """Return the signed file that is to follow a published policy which is refused at the start, if there is one."""
    path = settings.policy_bundle
    return path.read_bytes() if key is not None and path is not None and path.is_file() else None


def membership_of(pool: asyncpg.Pool, key: VerificationKey | None) -> Membership:
    """Return this process as a member of those on one database."""
    return Membership(BundleChannel(pool, steady_us), key)


def publisher_of(pool: asyncpg.Pool, key: VerificationKey | None, recorder: Recorder, clock: Clock) -> Publisher:
    """Return who publishes to all of them."""
    return Publisher(BundleChannel(pool, steady_us), key, RegorusEvaluator, recorder, clock)
