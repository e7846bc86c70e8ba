"""Tells the story in the terminal: a heading a step, what happened, links, and a table at the end."""

from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

Outcome = Literal["happened", "failed", "not reached"]
_COLOURS: dict[Outcome, str] = {"happened": "green", "failed": "red", "not reached": "yellow"}


@dataclass(frozen=True, slots=True)
class Told:
    """One step and how it ended."""

    title: str
    outcome: Outcome
    detail: str


class Narrator:
    """Speaks; waits for Enter between steps when asked to."""

    def __init__(self, out: Console, *, pause: bool) -> None:
        self._out = out
        self._pause = pause

    def heading(self, number: int, title: str) -> None:
        """Open a step."""
        self._out.print(f"\n{number}. {title}", style="bold", highlight=False)

    def say(self, sentence: str) -> None:
        """Tell what happens."""
        self._out.print(f"   {sentence}", markup=False, highlight=False, soft_wrap=True)

    def wait(self) -> None:
        """Let the person look at the console."""
        if self._pause:
            self._out.input("   [Enter] goes on ")

    def table(self, told: list[Told]) -> None:
        """Close with what happened."""
        table = Table("step", "outcome", "what was seen", title="The story", title_justify="left")
        for one in told:
            table.add_row(one.title, f"[{_COLOURS[one.outcome]}]{one.outcome}", one.detail)
        self._out.print()
        self._out.print(table)
