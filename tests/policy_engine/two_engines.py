"""The two engines asked the same: a few modules, data, an input and a query; what each answers, or that it does not."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.opa import opa_binary, opa_server

NO_ANSWER = "no answer"
"""An error of either engine: in the product, a *no*."""
ENTRY = "data.asked.answers"
_OK = 200


def asking(query: str, variables: Sequence[str]) -> str:
    """Return a module whose `answers` are the bindings of a query."""
    head = ", ".join(f'"{name}": {name}' for name in variables)
    return f"package asked\nanswers := [{{{head}}} | {query}]\n"


class Regorus:
    """The interpreter in this process."""

    def __init__(self, modules: Sequence[str], data: Any = None, entry: str = ENTRY) -> None:
        """Load modules and data; what does not load never answers."""
        import regorus

        self._entry = entry
        self._machine = regorus.Engine()
        self._loaded = False
        with contextlib.suppress(RuntimeError):
            for number, text in enumerate(modules):
                self._machine.add_policy(f"m{number}.rego", text)
            self._machine.add_data_json(json.dumps(data or {}))
            self._loaded = True

    def answer(self, document: str | None = None) -> Any:
        """Return the answer, parsed."""
        if not self._loaded:
            return NO_ANSWER
        try:
            if document is not None:
                self._machine.set_input_json(document)
            return json.loads(self._machine.eval_rule_as_json(self._entry))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of the Rust side derives from BaseException
            return NO_ANSWER


class Opa:
    """An OPA server that holds one set of modules at a time, asked with strict builtin errors as the product asks."""

    def __init__(self, url: str) -> None:
        """Keep one connection."""
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def load(self, modules: Sequence[str], data: Any = None) -> bool:
        """Replace everything; False when they do not compile one after the other, as modules that call each other."""
        for module in json.loads(self._send("GET", "/v1/policies")[1])["result"]:
            self._send("DELETE", f"/v1/policies/{module['id']}")
        self._send("PUT", "/v1/data", json.dumps(data or {}))
        waiting = list(enumerate(modules))
        while waiting:
            left = [(number, text) for number, text in waiting
                    if self._send("PUT", f"/v1/policies/m{number}", text)[0] != _OK]
            if len(left) == len(waiting):
                return False
            waiting = left
        return True

    def answer(self, document: str | None = None, path: str = "/v1/data/asked/answers") -> Any:
        """Return the answer, parsed; None for undefined."""
        body = "{}" if document is None else f'{{"input": {document}}}'
        status, answer = self._send("POST", f"{path}?strict-builtin-errors=true", body)
        return json.loads(answer).get("result") if status == _OK else NO_ANSWER

    def _send(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        self._connection.request(method, path, body.encode() if body is not None else None)
        response = self._connection.getresponse()
        return response.status, response.read()


def evaluated_by_opa(modules: Sequence[str], data: Any, document: str | None) -> Any:
    """Return what `opa eval` answers, for modules that need each other to compile."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(modules):
            (Path(folder) / f"m{number}.rego").write_text(text)
        (Path(folder) / "data.json").write_text(json.dumps(data or {}))
        done = subprocess.run(
            [str(opa_binary()), "eval", "--strict-builtin-errors", "--format", "json", "--data", folder,
             *(("--stdin-input",) if document is not None else ()), ENTRY],
            input=document, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout or "{}")
    return found["result"][0]["expressions"][0]["value"] if done.returncode == 0 and "result" in found else NO_ANSWER


@contextmanager
def opa() -> Iterator[Opa]:
    """Run an OPA server for a test."""
    with opa_server() as url:
        yield Opa(url)


@contextmanager
def without_complaints() -> Iterator[None]:
    """Keep what the Rust side writes about its own panics out of the test's output."""
    sys.stderr.flush()
    kept, quiet = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(quiet)
