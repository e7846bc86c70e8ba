"""A checkpoint key in a real HashiCorp Vault: pinned, out of our hands, and sometimes out of reach."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.adapters.vault_signer import ForeignVaultKeyError, VaultDownError, VaultSigner
from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.note import open_note
from audit_ledger.service import Ledger
from audit_ledger.service.audit.verifier import Evidence, Verifier
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from control_plane.vault_session import AppRole, VaultSession
from tests.audit_ledger.rig import Rig, folder_of, kinds
from tests.audit_ledger.waiting import until
from tests.servers.started import free_port
from tests.servers.vault import TOKEN, vault_server
from tests.servers.vault_role import provision

pytestmark = pytest.mark.vault
KEY = "ledger"


@pytest.fixture(scope="module")
def vault() -> Iterator[str]:
    """The address of a Vault with a transit engine."""
    with vault_server() as address:
        hvac.Client(url=address, token=TOKEN).sys.enable_secrets_engine("transit")
        yield address


@pytest.fixture
def transit(vault: str) -> Iterator[Any]:
    """Vault's transit engine, its ledger key gone afterwards."""
    engine = hvac.Client(url=vault, token=TOKEN).secrets.transit
    yield engine
    forget(engine)


def forget(engine: Any) -> None:
    """Delete the key, which Vault allows only when told twice."""
    engine.update_key_configuration(KEY, deletion_allowed=True)
    engine.delete_key(KEY)


async def signer_of(vault: str, folder: LedgerFolder, token: str = TOKEN) -> VaultSigner:
    """Open the signer of a folder."""
    return await VaultSigner.open(vault, token, key=KEY, folder=folder)


async def test_the_first_use_makes_name_and_key_and_later_ones_keep_them(
    vault: str, transit: Any, tmp_path: Path,
) -> None:
    folder = folder_of(tmp_path)

    first, again = await signer_of(vault, folder), await signer_of(vault, folder)
    note = await again.sign("a text\n")

    assert first.name.startswith("gridwarden/")
    assert (again.name, again.verifier) == (first.name, first.verifier) == (first.name, folder.verifier())
    assert open_note(note.encode(), (first.verifier,)).text == "a text\n"
    assert not (tmp_path / "keys" / "ledger.key").exists()
    assert transit.read_key(KEY)["data"]["exportable"] is False


@pytest.mark.usefixtures("transit")
async def test_a_ledger_of_a_vault_key_is_verified_by_the_public_one(rig: Rig, vault: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "vaulted")
    signer = await signer_of(vault, folder)
    reader = LedgerReader(rig.reader_pool, signer.name)
    ledger = Ledger(LedgerWriter(rig.writer_pool, signer.name), reader, signer=signer, folder=folder, clock=rig.clock)
    await ledger.start()
    await ledger.record(rig.event(1))
    await ledger.stop()

    checkpoint = open_checkpoint(await ledger.checkpoint(), signer.name, signer.verifier)
    report = await Verifier(reader, rig.clock, Evidence(folder.verifier(), folder)).verify()

    assert checkpoint.size == 2
    assert (kinds(report), report.anchored_size) == ([], 2)


async def test_a_rotated_key_still_signs_under_the_pinned_version(vault: str, transit: Any, tmp_path: Path) -> None:
    signer = await signer_of(vault, folder_of(tmp_path))
    transit.rotate_key(KEY)

    note = await signer.sign("a text\n")

    assert open_note(note.encode(), (signer.verifier,)).text == "a text\n"


async def test_a_rotated_key_whose_pinned_version_may_not_sign_is_refused(
    vault: str, transit: Any, tmp_path: Path,
) -> None:
    signer = await signer_of(vault, folder_of(tmp_path))
    transit.rotate_key(KEY)
    transit.update_key_configuration(KEY, min_encryption_version=2)

    with pytest.raises(ForeignVaultKeyError, match="was rotated, and its version 1 may not sign any more"):
        await signer.sign("a text\n")


async def test_another_key_under_the_same_name_is_refused(vault: str, transit: Any, tmp_path: Path) -> None:
    signer = await signer_of(vault, folder_of(tmp_path))
    forget(transit)
    with pytest.raises(ForeignVaultKeyError, match="it is gone"):
        await signer.sign("a text\n")
    transit.create_key(KEY, key_type="ed25519")

    with pytest.raises(ForeignVaultKeyError, match="none of its versions has this ledger's public key"):
        await signer.sign("a text\n")


async def test_a_key_of_another_type_is_refused(vault: str, transit: Any, tmp_path: Path) -> None:
    transit.create_key(KEY, key_type="ecdsa-p256")

    with pytest.raises(ForeignVaultKeyError, match="of type ecdsa-p256, not ed25519"):
        await signer_of(vault, folder_of(tmp_path))

    assert folder_of(tmp_path).verifier() is None


async def test_a_folder_with_a_key_file_of_its_own_is_not_taken_over(vault: str, transit: Any, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    folder.signer()
    transit.create_key(KEY, key_type="ed25519")
    signer = await signer_of(vault, folder)

    with pytest.raises(ForeignVaultKeyError):
        await signer.sign("a text\n")


async def test_a_token_without_rights_is_refused_with_the_remedy(vault: str, tmp_path: Path) -> None:
    with pytest.raises(VaultDownError, match="check VAULT_ADDR, VAULT_TOKEN"):
        await signer_of(vault, folder_of(tmp_path), token="wrong")


async def test_a_token_that_may_only_read_and_sign_is_enough(vault: str, transit: Any, tmp_path: Path) -> None:
    transit.create_key(KEY, key_type="ed25519")
    root = hvac.Client(url=vault, token=TOKEN)
    root.sys.create_or_update_policy("ledger", (
        f'path "transit/keys/{KEY}" {{ capabilities = ["read"] }} '
        f'path "transit/sign/{KEY}" {{ capabilities = ["update"] }}'))
    token = root.auth.token.create(policies=["ledger"], ttl="1m")["auth"]["client_token"]

    signer = await signer_of(vault, folder_of(tmp_path), token=token)

    assert (await signer.sign("a text\n")).startswith("a text\n")


def is_alive(client: Any, token: str) -> bool:
    """Ask Vault whether a token still counts."""
    try:
        client.lookup_token(token)
    except hvac.exceptions.VaultError:
        return False
    return True


async def test_a_short_lived_token_is_renewed_by_use(vault: str, transit: Any, tmp_path: Path) -> None:
    transit.create_key(KEY, key_type="ed25519")
    root = hvac.Client(url=vault, token=TOKEN)
    root.sys.create_or_update_policy("renewing", 'path "transit/*" { capabilities = ["read", "update"] }')
    token = root.auth.token.create(policies=["renewing"], ttl="4s")["auth"]["client_token"]
    signer = await signer_of(vault, folder_of(tmp_path), token=token)

    until_s = time.monotonic() + 6
    while time.monotonic() < until_s:
        await signer.sign("a text\n")
        await asyncio.sleep(0.3)
    await until(lambda: not is_alive(root, token))

    with pytest.raises(VaultDownError, match="Forbidden"):
        await signer.sign("a text\n")


async def test_a_session_by_approle_signs_beyond_the_life_of_its_tokens(
    vault: str, transit: Any, tmp_path: Path,
) -> None:
    """Tokens of two seconds and at most four: the session is the composition root's, the signer only asks."""
    transit.create_key(KEY, key_type="ed25519")
    session = VaultSession(vault, role=AppRole(*provision(vault, TOKEN, ttl="2s", max_ttl="4s")))
    hvac.Client(url=vault, token=TOKEN).sys.create_or_update_policy(
        "gridwarden", 'path "transit/*" { capabilities = ["read", "update"] }')
    signer = await VaultSigner.by(session, key=KEY, folder=folder_of(tmp_path))

    until_s = time.monotonic() + 6
    while time.monotonic() < until_s:
        note = await signer.sign("a text\n")
        await asyncio.sleep(0.3)

    assert open_note(note.encode(), (signer.verifier,)).text == "a text\n"
    session.close()


async def test_a_vault_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        opening = signer_of(f"http://127.0.0.1:{deaf.getsockname()[1]}", folder_of(tmp_path))
        async with asyncio.timeout(8):
            with pytest.raises(VaultDownError):
                await opening


async def test_while_vault_is_down_entries_are_sealed_and_signed_once_it_is_back(rig: Rig, tmp_path: Path) -> None:
    port, folder = free_port(), folder_of(tmp_path / "vaulted")
    with vault_server(port) as address:
        hvac.Client(url=address, token=TOKEN).sys.enable_secrets_engine("transit")
        signer = await signer_of(address, folder)
        exported = hvac.Client(url=address, token=TOKEN).secrets.transit
        exported.update_key_configuration(KEY, exportable=True, allow_plaintext_backup=True)
        backup = exported.backup_key(KEY)["data"]["backup"]
    reader = LedgerReader(rig.reader_pool, signer.name)
    ledger = Ledger(
        LedgerWriter(rig.writer_pool, signer.name), reader, signer=await signer_of(address, folder), folder=folder,
        clock=rig.clock, publish_every_s=0.05, retry_every_s=0.1)

    await ledger.start()
    await ledger.record(rig.event(1))
    assert folder.checkpoints() == []
    with vault_server(port) as address:
        back = hvac.Client(url=address, token=TOKEN)
        back.sys.enable_secrets_engine("transit")
        back.secrets.transit.restore_key(backup, name=KEY)
        await until(lambda: bool(folder.checkpoints()))
        await ledger.stop()

    report = await Verifier(reader, rig.clock, Evidence(folder.verifier(), folder)).verify()
    assert (kinds(report), report.anchored_size) == ([], ledger.head().size)
    assert len(await ledger.find(action="checkpoint_not_published")) == 1
