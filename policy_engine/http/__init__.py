"""The policy engine's own routes: which policy decides, what it would say, and making a subject unknown again."""

from policy_engine.http.routes import endpoints

__all__ = ["endpoints"]
