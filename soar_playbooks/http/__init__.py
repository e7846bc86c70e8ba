"""What soar_playbooks offers over HTTP."""

from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import described
from soar_playbooks.http.operations import OPERATIONS
from soar_playbooks.http.playbooks import playbook_endpoints
from soar_playbooks.http.runs import run_endpoints
from soar_playbooks.service.responder import Responder


def endpoints(responder: Responder) -> tuple[Endpoint, ...]:
    """Return every route of the house; those under `runs` come before those that take a playbook's name."""
    return described((*run_endpoints(responder), *playbook_endpoints(responder)), OPERATIONS)
