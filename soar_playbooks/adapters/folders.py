"""Playbook files: those shipped in the package, then the operator's, which add and override by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PlaybookFile:
    """A file as read; `problem` when it could not be."""

    name: str
    source: str
    text: str
    problem: str | None = None


class PlaybookFolders:
    """Reads `*.yml`; a folder that is not there is empty."""

    def __init__(self, operators: Sequence[Path] = ()) -> None:
        shipped = Path(str(files("soar_playbooks").joinpath("playbooks")))
        self._folders = (("shipped", shipped), *(("operator", folder) for folder in operators))

    def fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        """Return what changes when a file does: paths, times, sizes."""
        return tuple(self._marks())

    def read(self) -> dict[str, PlaybookFile]:
        """Return name -> file; a later folder hides an earlier one, also when its file is broken."""
        return {path.stem: _read(source, path) for source, path in self._paths()}

    def _marks(self) -> Iterator[tuple[str, int, int]]:
        for _, path in self._paths():
            try:
                about = path.stat()
            except OSError:
                continue
            yield str(path), about.st_mtime_ns, about.st_size

    def _paths(self) -> list[tuple[str, Path]]:
        return [(source, path) for source, folder in self._folders for path in sorted(folder.glob("*.yml"))]


def _read(source: str, path: Path) -> PlaybookFile:
    try:
        return PlaybookFile(path.stem, source, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as cause:
        return PlaybookFile(path.stem, source, "", f"the file cannot be read ({type(cause).__name__})")
