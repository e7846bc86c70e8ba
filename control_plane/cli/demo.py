"""`gridwarden demo`: the scripted story on an instance of its own."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

Pause = Annotated[bool, typer.Option("--pause", help="Wait for Enter after each step, to look at the console.")]
Home = Annotated[Path | None, typer.Option(help="Keep the instance's data here instead of throwing it away.")]


def demo(
    *,
    pause: Pause = False,
    home: Home = None,
) -> None:
    """Play an attack and its answer on a running instance of its own; exit 1 when any step does not happen.

    Examples: gridwarden demo; gridwarden demo --pause; gridwarden demo --home ./demo-data
    """
    with tempfile.TemporaryDirectory(prefix="gridwarden-demo-") as folder:
        Path(folder).chmod(0o755)
        is_complete = asyncio.run(_play((home or Path(folder) / "home").resolve(), pause=pause))
    raise typer.Exit(0 if is_complete else 1)


async def _play(home: Path, *, pause: bool) -> bool:
    from rich.console import Console

    from control_plane.demo.instance import Instance
    from control_plane.demo.narrator import Narrator
    from control_plane.demo.story import Story
    from control_plane.demo.telling import tell

    narrator = Narrator(Console(), pause=pause)
    narrator.say("Starting an instance of its own ...")
    with Instance(home) as instance:
        narrator.say(f"gateway {instance.gateway}, console {instance.console}, log {instance.log}")
        if pause:
            narrator.say(f"sign in to the console as sami.soc with {instance.passwords['sami.soc']}")
        story = Story(instance, narrator)
        try:
            told = await tell(story, narrator)
        finally:
            await story.close()
    narrator.table(told)
    return all(one.outcome == "happened" for one in told)
