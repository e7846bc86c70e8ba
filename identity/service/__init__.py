"""The service floor of identity: the provider and what it takes and gives."""

from identity.service.accounts import LastAdministratorError
from identity.service.foundation import Lifetimes
from identity.service.provider import IdentityProvider
from identity.service.registry import Registration

__all__ = ["IdentityProvider", "LastAdministratorError", "Lifetimes", "Registration"]
