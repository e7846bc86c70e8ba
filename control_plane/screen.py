"""What `gridwarden up` says to the person who started it: on standard output, once, plain when piped."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from control_plane.first_start import Credential

Advance = Callable[[int, int], None]


class Screen:
    """Tells facts; as JSON lines when asked to."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._out = Console(highlight=False)

    def say(self, fact: str, sentence: str, **values: Any) -> None:  # noqa: ANN401 - JSON values
        """State one fact."""
        if self._as_json:
            self._print({"fact": fact, **values})
        else:
            self._out.print(sentence, markup=False)

    def credentials(self, made: list[Credential]) -> None:
        """Show accounts just made; their passwords are never shown again."""
        if not made:
            return
        if self._as_json:
            for one in made:
                self._print({"fact": "account", "name": one.name, "password": one.password, "roles": one.roles})
            return
        table = Table(title="New accounts. The passwords are shown this once.", title_justify="left")
        for column in ("name", "password", "roles"):
            table.add_column(column, no_wrap=True)
        for one in made:
            table.add_row(one.name, one.password, ", ".join(one.roles))
        self._out.print(table)

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """Yield `advance(done, total)`; a bar on a terminal, nothing when piped."""
        if self._as_json or not self._out.is_terminal:
            yield lambda _done, _total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._out) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def _print(self, value: dict[str, Any]) -> None:
        print(json.dumps(value), flush=True)  # noqa: T201 - the machine-readable form of this screen
