"""What docs/policy.md shows to authors of policies is executed, in its order, against a running product."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.end_to_end.configured import configured
from tests.page_commands import DOCS, commands

TITLES = re.findall(r"^## (.+)$", (DOCS / "policy.md").read_text(), re.MULTILINE)
pytestmark = pytest.mark.slow


FIRST = "A policy in ten minutes"


async def follow(folder: Path, title: str, **variables: str) -> int:
    """Run what stands under a title; return how many steps there were."""
    steps = list(commands("policy", title))
    for step in steps:
        code, last = await asyncio.to_thread(step.run, folder, **variables)
        assert (code, step.promise[1] in last) == (step.promise[0], True), f"{title}: {step.text}\n{code}: {last}"
    return len(steps)


async def test_a_policy_is_written_tested_signed_rolled_out_and_explained(tmp_path: Path) -> None:
    done = await follow(tmp_path, FIRST)
    with configured(tmp_path / "home", GRIDWARDEN_POLICY_BUNDLE=str(tmp_path / "policy.tar.gz"),
                    GRIDWARDEN_POLICY_VERIFICATION_KEY=str(tmp_path / "policy.pub")) as instance:
        known = {"GATEWAY": instance.gateway, "GRIDWARDEN_HOME": str(instance.home),
                 "GRIDWARDEN_PASSWORD": instance.passwords["admin"],
                 "VIEWER_PASSWORD": instance.passwords["vera.viewer"]}
        for title in (title for title in TITLES if title != FIRST):
            done += await follow(tmp_path, title, **known)

    assert done >= 9
