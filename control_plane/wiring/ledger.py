"""The ledger with everything around it: its key, its copies, its witnesses, its timestamps, its erasures."""

import contextlib
from pathlib import Path

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.adapters.subject_key_file import SubjectKeyFile
from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.adapters.timestamping import TimestampAuthority, trusted_roots
from audit_ledger.adapters.vault_signer import VaultSigner
from audit_ledger.adapters.witness_client import WitnessClient
from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.service import Ledger
from audit_ledger.service.archive.export import Exporter
from audit_ledger.service.audit.anchors import Witnesses
from audit_ledger.service.audit.verifier import Evidence, SealedKeys
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.ports import Signer
from audit_ledger.service.privacy.erasure import Erasure
from audit_ledger.service.privacy.sealing import FieldSealer
from audit_ledger.service.witness.timestamping import Timestamping
from audit_ledger.service.witness.witnessing import Witnessing
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.inbox import Inbox
from audit_ledger.store.pruner import Prunes
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.subject_keys import SubjectKeys
from audit_ledger.store.timestamps import Timestamps
from audit_ledger.store.writer import LedgerWriter
from control_plane.config import ConfigurationError, Settings
from control_plane.home import Home
from control_plane.parts import Audited
from control_plane.vault_session import VaultSession
from control_plane.wiring.copies import copies_of
from control_plane.wiring.pools import Pools
from shared_kernel.clock import Clock


async def make_ledger(
    pools: Pools, home: Home, settings: Settings, clock: Clock, vault: VaultSession | None,
) -> Audited:
    """Return the ledger of this home's key, or of the Vault key that the settings name."""
    folder = LedgerFolder(keys=home.keys, checkpoints=home.checkpoints)
    signer = await _signer(folder, settings, vault)
    keys = SubjectKeys(pools.ledger_writer, pools.ledger_reader, signer.name)
    kek = SubjectKeyFile(home.keys).key()
    sealer = FieldSealer(keys, kek, clock)
    reader, prunes = LedgerReader(pools.ledger_reader, signer.name), Prunes(pools.ledger_reader, signer.name)
    policy = None if settings.ledger_witnesses is None else read_policy(
        _content(settings.ledger_witnesses, "GRIDWARDEN_LEDGER_WITNESSES"))
    kept = Cosignatures(pools.ledger_writer, pools.ledger_reader, signer.name)
    cosigned = CosignedFile(home.checkpoints)
    evidence = Evidence(signer.verifier, folder, Witnesses(policy.for_log(signer.verifier), kept, cosigned) if policy
                        else None, keys=SealedKeys(keys, kek), prunes=prunes)
    ledger = Ledger(LedgerWriter(pools.ledger_writer, signer.name), reader, signer=signer, folder=folder, clock=clock,
                    sealer=sealer, evidence=evidence, inbox=Inbox(pools.ledger_writer, signer.name))
    erasure = Erasure(keys, sealer, ledger, clock)
    ledger.before_leading(erasure.finish)
    mirrors = tuple(Mirror(copy, ledger, reader, key=signer.verifier, clock=clock)
                    for copy in copies_of(signer.name, home, settings))
    witnessing = None if policy is None else Witnessing(
        ledger, key=signer.verifier, policy=policy, client=WitnessClient(), kept=kept, file=cosigned, clock=clock)
    return Audited(
        ledger=ledger, erasure=erasure, tiles=TileFolder(home.tiles, signer.name), mirrors=mirrors,
        witnessing=witnessing, exporter=Exporter(reader, kept, prunes, signer.verifier),
        timestamping=_timestamping(pools, folder, ledger=ledger, signer=signer, settings=settings, clock=clock))


async def _signer(folder: LedgerFolder, settings: Settings, vault: VaultSession | None) -> Signer:
    if settings.ledger_vault_key is None or vault is None:
        return FileSigner(folder.signer())
    return await VaultSigner.by(vault, key=settings.ledger_vault_key, folder=folder)


def _timestamping(  # noqa: PLR0913 - a composition point
    pools: Pools, folder: LedgerFolder, *, ledger: Ledger, signer: Signer, settings: Settings, clock: Clock,
) -> Timestamping | None:
    url, roots = settings.ledger_timestamp_url, settings.ledger_timestamp_roots
    if url is None:
        return None
    if roots is None:
        raise ConfigurationError("GRIDWARDEN_LEDGER_TIMESTAMP_URL is set: name the authority's root certificates (PEM) "
                                 "in GRIDWARDEN_LEDGER_TIMESTAMP_ROOTS too")
    authority = TimestampAuthority(str(url), trusted_roots(_content(roots, "GRIDWARDEN_LEDGER_TIMESTAMP_ROOTS")))
    kept = Timestamps(pools.ledger_writer, pools.ledger_reader, signer.name)
    return Timestamping(ledger, key=signer.verifier, authority=authority, kept=kept, folder=folder, clock=clock)


def _content(path: Path, setting: str) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    raise ConfigurationError(f"{setting} names {path}, which cannot be read")
