"""Who the response is: the Responder."""

from soar_playbooks.service.responder import Responder, Ruling

__all__ = ["Responder", "Ruling"]
