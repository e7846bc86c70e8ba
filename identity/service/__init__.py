"""The service floor of identity: the provider and what it takes and gives."""

from identity.service.clients.registry import Registration
from identity.service.foundation import Lifetimes
from identity.service.people.accounts import LastAdministratorError
from identity.service.provider import IdentityProvider

__all__ = ["IdentityProvider", "LastAdministratorError", "Lifetimes", "Registration"]
