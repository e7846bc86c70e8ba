"""The whole scripted story happens, and nothing secret of it is left in a log, an error or a metric."""

from io import StringIO
from pathlib import Path

import httpx2 as httpx
import pytest
from rich.console import Console

from control_plane.demo.instance import Instance
from control_plane.demo.narrator import Narrator
from control_plane.demo.story import Story
from control_plane.demo.telling import tell
from tests.enterable import enterable


@pytest.mark.slow
async def test_every_step_happens_and_no_secret_is_told(tmp_path: Path) -> None:
    screen = StringIO()
    narrator = Narrator(Console(file=screen, width=200), pause=False)
    with Instance(enterable(tmp_path) / "home") as instance:
        story = Story(instance, narrator)
        told = await tell(story, narrator)
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"{instance.gateway}/metrics")).text
        await story.close()
        secrets = [*instance.passwords.values(), *story.secrets]
    narrator.table(told)
    log = (tmp_path / "home" / "demo.log").read_text()

    assert [one for one in told if one.outcome != "happened"] == []
    assert "gridwarden_gateway" in metrics
    assert len(secrets) > 20
    assert [n for n, one in enumerate(secrets) if one and one in log + metrics + screen.getvalue()] == []
