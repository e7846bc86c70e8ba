"""A bundle set up once more, to be asked again: its answers, and the value of each of its rules on the way to one."""

import json
from types import TracebackType
from typing import Any, Self

import orjson

from policy_engine.adapters.inspection import inspect_bundle
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.rules import ENTRY, PACKAGE

UNDEFINED = object()
"""The value of a rule whose conditions did not hold."""


class ReplayMachine:
    """Bound to the thread that makes it, as regorus is, and let go there: use it as a context manager.

    Raises RefusedBundleError for a bundle that cannot decide.
    """

    def __init__(self, bundle: Bundle) -> None:
        import regorus

        inspect_bundle(bundle)
        self._machine: Any = regorus.Engine()
        try:
            for name, text in bundle.policies.items():
                self._machine.add_policy(name, text)
            self._machine.add_data_json(orjson.dumps(bundle.data).decode())
        except RuntimeError as cause:
            self._machine = None
            raise RefusedBundleError("it does not compile any more") from cause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Let the machine go here: a traceback would carry it into another thread."""
        self._machine = None

    def answer(self, document: bytes) -> Any:  # noqa: ANN401 - an answer is any JSON until it is decoded
        """Return the parsed answer to a question's document; None when there is none."""
        self._machine.set_input_json(document.decode())
        found = self.value(ENTRY)
        return None if found is UNDEFINED else found

    def value(self, rule: str) -> Any:  # noqa: ANN401 - any JSON, or UNDEFINED
        """Return the value of a rule for the document asked last.

        Each is asked by itself: asked for the whole package, regorus 0.13 takes a rule's default before its turn.
        """
        try:
            found = json.loads(self._machine.eval_query_as_json(f"data.{PACKAGE}.{rule}"))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of the Rust side derives from BaseException: no value then
            return UNDEFINED
        results = found.get("result") or ()
        return results[0]["expressions"][0]["value"] if results else UNDEFINED
