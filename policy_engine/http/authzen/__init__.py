"""The AuthZEN Authorization API 1.0 (OpenID Foundation): others ask our decision point."""

from policy_engine.http.authzen.city import City, Data, Directory, KnownSubject, Place, Places
from policy_engine.http.authzen.operations import described
from policy_engine.http.authzen.routes import endpoints

__all__ = ["City", "Data", "Directory", "KnownSubject", "Place", "Places", "described", "endpoints"]
