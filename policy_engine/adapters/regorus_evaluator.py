"""Rego in this process: the interpreter of regorus, bound to the thread that made it: it lives on the event loop's.

Not its virtual machine (`regorus.Rvm` 0.13), which is four times as fast and wrong where it matters: there
`x := data.roles[input.absent]` binds an undefined value and goes on, so `allow if { x := data.roles[input.absent] }`
allows.
A test keeps the difference in view.
"""

import asyncio
from typing import Any

import orjson

from policy_engine.adapters.inputs_read import inputs_read
from policy_engine.adapters.inspection import first_line, inspect_bundle
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.question import Question, to_input
from policy_engine.domain.reads import EVERYTHING, Reads
from shared_kernel.errors import UnavailableError

ENTRY = "data.gateway.decision"
_CANARY = Question(
    subject={"id": "anonymous", "kind": "anonymous", "roles": (), "scopes": (), "client_id": None},
    action="gridwarden.canary",
    resource={"path": "/", "method": "GET", "dataset": None, "classification": None, "columns": {}},
    context={"source_ip": "192.0.2.1", "purpose": None, "risk": 0, "hour_utc": 0, "loopback": False},
)


class RegorusEvaluator:
    """Holds one warm machine for the bundle that decides, and one for the bundle that is about to."""

    name = "regorus"
    is_remote = False

    def __init__(self) -> None:
        self._machine: Any = None
        self._candidate: Any = None
        self._reads = self._candidate_reads = EVERYTHING

    @property
    def reads(self) -> Reads:
        """What the policies that decide can read of a question."""
        return self._reads

    @property
    def needs_adoption(self) -> bool:
        """Whether it lost its bundle: a machine in this process never does."""
        return False

    async def prepare(self, bundle: Bundle) -> None:
        """Compile and warm the bundle beside the one that decides; raise RefusedBundleError if it must not decide."""
        inspect_bundle(bundle)
        self._candidate = _compiled(bundle)
        self._candidate_reads = inputs_read(orjson.loads(self._candidate.get_ast_as_json()))

    async def adopt(self, bundle: Bundle) -> None:  # noqa: ARG002 - another engine publishes the bundle here
        """Let the prepared machine decide from now on."""
        self._machine, self._candidate = self._candidate, None
        self._reads = self._candidate_reads
        await asyncio.sleep(0)

    async def evaluate(self, document: bytes) -> Any:  # noqa: ANN401 - an answer is any JSON until it is decoded
        """Return the parsed answer of `data.gateway.decision` to the input document."""
        if self._machine is None:
            raise UnavailableError("no policy bundle is loaded")
        return _run(self._machine, document)

    async def close(self) -> None:
        """Let the machine go."""
        self._machine = None


def _run(machine: Any, document: bytes) -> Any:  # noqa: ANN401 - an untyped extension and any JSON
    try:
        machine.set_input_json(document.decode())
        return orjson.loads(machine.eval_rule_as_json(ENTRY))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as cause:  # a panic of the Rust side derives from BaseException
        raise UnavailableError(f"the policy could not be evaluated: {first_line(cause)}") from cause


def _compiled(bundle: Bundle) -> Any:  # noqa: ANN401 - an untyped extension
    import regorus

    machine = regorus.Engine()
    try:
        for name, text in bundle.policies.items():
            machine.add_policy(name, text)
        machine.add_data_json(orjson.dumps(bundle.data).decode())
    except RuntimeError as cause:
        raise RefusedBundleError(f"it does not compile: {first_line(cause)}") from cause
    _refuse_permissive(machine)
    return machine


def _refuse_permissive(machine: Any) -> None:  # noqa: ANN401 - an untyped extension
    """Warm the machine with a question that every allow-list must refuse."""
    try:
        answer = _run(machine, orjson.dumps(to_input(_CANARY)))
    except UnavailableError as cause:
        raise RefusedBundleError(str(cause)) from cause
    if not isinstance(answer, dict) or answer.get("allow") is not False:
        raise RefusedBundleError("data.gateway.decision must refuse a stranger an action that nobody named")
