"""Whose business a token is: its own client's, and the resource's that it is meant for."""

from identity.domain.oauth.access_tokens import AccessToken
from identity.domain.records import Client


def is_concerned(client: Client, access: AccessToken, own_api: str) -> bool:
    """Whether a client may hear about a token or exchange it (RFC 7662 section 4, RFC 8693 section 5).

    Resource servers of our own API have the role `service`; those of other resources are registered with their
    audiences.
    """
    if client.id == access.client_id:
        return True
    if client.is_public:
        return False
    if own_api in access.audiences and client.is_resource_server:
        return True
    return client.id in access.audiences or not set(client.settings.audiences).isdisjoint(access.audiences)
