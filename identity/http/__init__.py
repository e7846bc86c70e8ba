"""The http floor of identity."""

from identity.http.endpoints import endpoints

__all__ = ["endpoints"]
