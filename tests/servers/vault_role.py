"""An AppRole with tokens of a few seconds in a Vault, and what Gridwarden may do with it."""

from typing import Any

import hvac

POLICY = """
path "secret/data/gridwarden/*" { capabilities = ["create", "read", "update"] }
path "transit/keys/gridwarden-*" { capabilities = ["create", "read", "update"] }
path "transit/sign/gridwarden-*" { capabilities = ["update"] }
path "transit/hmac/gridwarden-form/*" { capabilities = ["update"] }
path "transit/hmac/gridwarden-form" { capabilities = ["update"] }
"""


def provision(address: str, token: str, *, ttl: str = "5s", max_ttl: str = "20s") -> tuple[str, str]:
    """Mount what Gridwarden needs, where it is not yet, and return a role id and a secret id."""
    client = hvac.Client(url=address, token=token)
    mounted = client.sys.list_mounted_secrets_engines()["data"]
    if "transit/" not in mounted:
        client.sys.enable_secrets_engine("transit")
    if "secret/" not in mounted:
        client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
    if "approle/" not in client.sys.list_auth_methods()["data"]:
        client.sys.enable_auth_method("approle")
    client.sys.create_or_update_policy("gridwarden", POLICY)
    role: Any = client.auth.approle
    role.create_or_update_approle("gridwarden", token_policies=["gridwarden"], token_ttl=ttl, token_max_ttl=max_ttl)
    return (str(role.read_role_id("gridwarden")["data"]["role_id"]),
            str(role.generate_secret_id("gridwarden")["data"]["secret_id"]))
