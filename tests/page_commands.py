"""The commands of a page in docs/, taken out of it as they stand there, and run."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"^```(sh|python|js)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMISE = re.compile(r"^(?:#|//) exit (\d)(?:: (.+))?\n\Z", re.MULTILINE)
_PROGRAMS = Path(sys.executable).parent
_INTERPRETERS = {"sh": ["sh", "-c"], "python": [sys.executable, "-c"],
                 "js": ["node", "--input-type=module", "-e"]}


@dataclass(frozen=True, slots=True)
class Command:
    """A fenced block; its last line promises an exit code, and words of the last line that is printed."""

    language: str
    text: str

    @property
    def promise(self) -> tuple[int, str]:
        """The exit code, and the words."""
        found = _PROMISE.search(self.text)
        return (int(found[1]), found[2] or "") if found else (0, "")

    def run(self, folder: Path, **variables: str) -> tuple[int, str]:
        """Return the exit code and the last line printed."""
        kept = {name: held for name, held in os.environ.items()
                if not name.startswith("GRIDWARDEN_") and name != "DATABASE_URL"}
        done = subprocess.run(
            [*_INTERPRETERS[self.language], self.text], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, check=False, timeout=120,
            env=kept | {"PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"} | variables)
        return done.returncode, (done.stdout.splitlines() or [""])[-1]


def section(page: str, title: str) -> str:
    """Return what stands under a heading of docs/PAGE.md."""
    return (DOCS / f"{page}.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands(page: str, title: str) -> list[Command]:
    """Return the blocks of a section, in order."""
    return [Command(language, text) for language, text in _BLOCK.findall(section(page, title))]
