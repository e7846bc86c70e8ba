"""Where the signing keys are kept, by the settings: files of the home, or Vault (a KV secret, or transit keys)."""

import contextlib
from collections.abc import Iterator

from control_plane.config import ConfigurationError, Settings
from control_plane.home import Home
from control_plane.vault_session import AppRole, VaultSession
from identity.adapters.key_files import KeyFiles
from identity.adapters.vault_kv import VaultKv
from identity.adapters.vault_transit import VaultTransit
from identity.service.keys.keychain import KeySource


def vault_session(settings: Settings) -> VaultSession:
    """Return a session with the Vault that the settings name, not logged in yet; raise ConfigurationError."""
    if settings.vault_addr is None:
        raise ConfigurationError("the settings keep keys in Vault: set VAULT_ADDR")
    secret_id, token = settings.vault_secret_id, settings.vault_token
    if settings.vault_role_id and secret_id:
        return VaultSession(str(settings.vault_addr).rstrip("/"),
                            role=AppRole(settings.vault_role_id, secret_id.get_secret_value()))
    if token is None or settings.vault_role_id or secret_id:
        raise ConfigurationError(
            "the settings keep keys in Vault: set VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_TOKEN alone")
    return VaultSession(str(settings.vault_addr).rstrip("/"), token=token.get_secret_value())


@contextlib.contextmanager
def vault_of(settings: Settings) -> Iterator[VaultSession | None]:
    """Yield the session that identity, the ledger and upstreams share, None when none of them asks Vault."""
    asks = settings.identity_keys != "file" or settings.upstream_pki == "vault"
    if not asks and settings.ledger_vault_key is None:
        yield None
        return
    with contextlib.closing(vault_session(settings)) as session:
        yield session


async def key_source(settings: Settings, home: Home, vault: VaultSession | None, now_us: int) -> KeySource:
    """Return the place of the signing keys; raise UnavailableError when Vault does not answer, ConfigurationError."""
    if settings.identity_keys == "file":
        return KeyFiles(home.keys / "identity")
    if vault is None:
        raise ConfigurationError(f"GRIDWARDEN_IDENTITY_KEYS is {settings.identity_keys}: set VAULT_ADDR")
    opening = VaultKv.open if settings.identity_keys == "vault-kv" else VaultTransit.open
    return await opening(vault, now_us)
