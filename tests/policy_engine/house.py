"""What the policy engine's tests share: the shipped bundle, its decision cases, questions, a recorder."""

import json
from pathlib import Path
from typing import Any

from policy_engine.domain.bundle import Bundle
from policy_engine.domain.question import Question
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Event, Receipt

SHIPPED = Path(__file__).resolve().parents[2] / "opa_policies"
CASES: list[dict[str, Any]] = [
    case for file in sorted((SHIPPED / "cases").glob("*.json")) for case in json.loads(file.read_text())
]


class ListRecorder:
    """A recorder that keeps what it sealed; `down` makes it refuse."""

    def __init__(self) -> None:
        """Start empty and up."""
        self.events: list[Event] = []
        self.down = False

    async def record(self, event: Event) -> Receipt:
        """Keep the event."""
        if self.down:
            raise UnavailableError("the ledger cannot write")
        self.events.append(event)
        return Receipt(len(self.events) - 1, b"")

    @property
    def actions(self) -> list[str]:
        """What was sealed, by name."""
        return [event["event"]["action"] for event in self.events]


def question(action: str = "users.me", *, roles: tuple[str, ...] = ("grid_viewer",), kind: str = "person",
             **context: Any) -> Question:
    """Return a well-formed question."""
    return Question(
        subject={"id": "u-1", "kind": kind, "roles": roles, "scopes": ("api",), "client_id": None},
        action=action,
        resource={"path": "/api/v1/x", "method": "GET", "dataset": None, "classification": None, "columns": {}},
        context={"source_ip": "203.0.113.7", "purpose": None, "risk": 10, "hour_utc": 9, "loopback": False} | context,
    )


def bundle_of(rego: str, data: dict[str, Any] | None = None) -> Bundle:
    """Return a bundle of one policy text in package gateway."""
    return Bundle({"p.rego": f"package gateway\n{rego}\n".encode(), "data.json": json.dumps(data or {}).encode()})


def faults(case: dict[str, Any], answer: Any) -> list[str]:
    """Return what in an engine's answer is not what the case wants."""
    want = case["want"]
    if not isinstance(answer, dict):
        return [f"{case['note']}: no decision but {answer!r}"]
    found = [] if answer["allow"] is want["allow"] else [f"{case['note']}: allow is {answer['allow']}"]
    told = "\n".join(answer["reasons"])
    found += [f"{case['note']}: no reason says {part!r}: {told}" for part in want.get("reasons_contain", ())
              if part not in told]
    if "obligations" in want and answer["obligations"] != want["obligations"]:
        found.append(f"{case['note']}: obligations are {answer['obligations']}")
    return found
