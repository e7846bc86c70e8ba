"""How far long work has come."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextlib.contextmanager
def progress_bar(label: str, *, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the rate on standard error; nothing when that is piped."""
    console = Console(stderr=True)
    if not is_shown or not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=None, rate="")

        def seen(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, rate=f"{bar.tasks[0].speed or 0:,.0f}/s")

        yield seen
