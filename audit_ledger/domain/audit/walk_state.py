"""A verification between two pages, as bytes: what is kept so that an interrupted one need not begin anew.

The bytes are the auditor's own: whoever can change them can make his report say anything, as with the report itself.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from audit_ledger.domain.audit.finding import Finding, Findings, Kind
from audit_ledger.domain.audit.tree_check import Anchor, TreeCheck
from audit_ledger.domain.audit.walk import Walk
from audit_ledger.domain.errors import UncheckableError

_FORMAT = "gridwarden verification 1"


@dataclass(frozen=True, slots=True)
class WalkState:
    """What belongs together of a verification that is under way."""

    walk: Walk
    tree: TreeCheck
    findings: Findings

    def to_json(self, stream: str) -> bytes:
        """Write everything down; the pages read so far need not be read again."""
        return orjson.dumps({
            "format": _FORMAT, "stream": stream, "walk": self.walk.to_json(), "tree": self.tree.to_json(),
            "findings": [found.to_json() for found in self.findings.kept], "dropped": self.findings.dropped,
        })

    @classmethod
    def from_json(cls, saved: bytes, stream: str, anchors: list[Anchor]) -> "WalkState":
        """Go on where `to_json` was called; raise UncheckableError when these bytes are not of such a verification.

        `anchors`: the checkpoints as they are now, smallest first. Those of sizes that were already passed are not
        compared again, and not at all if they are new.
        """
        try:
            document = orjson.loads(saved)
            if (document["format"], document["stream"]) != (_FORMAT, stream):
                raise UncheckableError(f"the saved verification is not one of the ledger {stream}: begin anew")
            findings = Findings([_finding(each) for each in document["findings"]], document["dropped"])
            tree = TreeCheck.from_json(document["tree"], anchors, findings)
            return cls(Walk.from_json(document["walk"], stream, tree=tree, findings=findings), tree, findings)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as cause:
            raise UncheckableError("the saved verification cannot be read: begin anew") from cause


def _finding(saved: dict[str, Any]) -> Finding:
    return Finding(Kind(saved["kind"]), saved["seq"], saved["last_seq"], saved["detail"], saved["action"],
                   saved["event_time"])
