"""Decision cases: questions with the decisions wanted, as data beside the policies (`cases/*.json`, lists of objects).

    {"note": "...", "input": {...}, "data": {...}?, "want": {"allow": bool, "reasons_contain": []?, "obligations": {}?}}

`data` takes the place of the bundle's own, key by key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict

_PARTS = frozenset({"note", "input", "data", "want"})
_WANTS = frozenset({"allow", "reasons_contain", "obligations"})


class MalformedCaseError(UnprocessableError):
    """A file of cases cannot be read."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file}: {why}")


@dataclass(frozen=True, slots=True)
class Case:
    """One question, and what is wanted of the answer."""

    file: str
    note: str
    input: Mapping[str, Any]
    data: Mapping[str, Any]
    want: Mapping[str, Any]

    @classmethod
    def parse(cls, file: str, raw: bytes) -> tuple[Self, ...]:
        """Return the cases of a file; raise MalformedCaseError with the note of the case that is wrong."""
        try:
            rows = parse_strict(raw)
        except InvalidInputError as cause:
            raise MalformedCaseError(file, str(cause)) from cause
        if not isinstance(rows, list):
            raise MalformedCaseError(file, "cases are a list of objects")
        return tuple(cls._of(file, row) for row in rows)

    @classmethod
    def _of(cls, file: str, row: Any) -> Self:  # noqa: ANN401 - any JSON
        match row:
            case {"note": str(note), "input": dict(asked), "want": {"allow": bool()} as want} if (
                    row.keys() <= _PARTS and want.keys() <= _WANTS and isinstance(row.get("data", {}), dict)):
                return cls(file, note, asked, row.get("data", {}), want)
        note = row.get("note", "a case") if isinstance(row, dict) else "a case"
        raise MalformedCaseError(file, f"{note!r} must have note, input, want.allow, and nothing but "
                                       f"{', '.join(sorted(_PARTS | _WANTS))}")

    def row(self) -> dict[str, Any]:
        """Return the case as its file has it."""
        return {"note": self.note, "input": self.input, "data": self.data, "want": self.want}

    def faults(self, answer: Any) -> tuple[str, ...]:  # noqa: ANN401 - an engine's answer is any JSON
        """Return what in an engine's answer is not what is wanted, as sentences."""
        if not isinstance(answer, dict) or not isinstance(reasons := answer.get("reasons"), list):
            return (f"no decision but {answer!r}",)
        told = "; ".join(map(str, reasons))
        found = [] if answer.get("allow") is self.want["allow"] else [f"allow is {answer.get('allow')}: {told}"]
        found += [f"no reason says {part!r}: {told}" for part in self.want.get("reasons_contain", ())
                  if part not in told]
        wanted = self.want.get("obligations")
        if wanted is not None and answer.get("obligations") != wanted:
            found.append(f"obligations are {answer.get('obligations')}")
        return tuple(found)
