"""Rule files on disk: ours, shipped in the package, and the operator's, picked up while we run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.rule import Rule
from siem_rules.domain.sigma_file import MAX_FILE_BYTES, parse_rule

_SUFFIXES = {".yml", ".yaml"}
_MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file that holds no usable rule, and why."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What the folders hold: the rules that run, and the files that do not."""

    rules: tuple[Rule, ...]
    broken: tuple[BrokenFile, ...]

    @property
    def fingerprints(self) -> frozenset[str]:
        """The SHA-256 of each running rule's text."""
        return frozenset(rule.fingerprint for rule in self.rules)


def shipped_rules() -> Path:
    """Return the folder of the rules that come with the product."""
    return Path(str(files("siem_rules"))) / "rules"


class RuleFolders:
    """Reads folders of Sigma files again and again, compiling only what changed."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._compiled: dict[tuple[str, str], Rule | BrokenFile] = {}

    def read(self) -> RuleSet:
        """Return the rules as the folders hold them now."""
        found: dict[tuple[str, str], Rule | BrokenFile] = {}
        for path, label in self._paths():
            text = _text(path)
            found[label, text] = self._compiled.get((label, text)) or _compile(text, label)
        self._compiled = found
        return _without_doubles(found.values())

    def _paths(self) -> Iterable[tuple[Path, str]]:
        for folder in self._folders:
            paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
            for path in paths[:_MAX_FILES]:
                yield path, path.relative_to(folder).as_posix()


def _text(path: Path) -> str:
    """Return a file's text; one that vanished or cannot be read is an empty one, and so refused by name."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1).decode("utf-8", "replace")
    except OSError:
        return ""


def _compile(text: str, label: str) -> Rule | BrokenFile:
    try:
        return parse_rule(text, label)
    except RuleRefusedError as refused:
        return BrokenFile(label, refused.reason)
    except Exception as cause:  # noqa: BLE001 - whatever a parser trips over, one file must not stop the others
        return BrokenFile(label, f"it cannot be read: {type(cause).__name__}")


def _without_doubles(found: Iterable[Rule | BrokenFile]) -> RuleSet:
    """Keep the first rule of each id: a dropped-in file must not replace or shadow a shipped one."""
    rules: dict[str, Rule] = {}
    broken = []
    for item in found:
        if isinstance(item, BrokenFile):
            broken.append(item)
        elif item.rule_id in rules:
            other = rules[item.rule_id].label
            broken.append(BrokenFile(item.label, f"its id {item.rule_id} is taken by {other}: choose another"))
        else:
            rules[item.rule_id] = item
    return RuleSet(tuple(rules.values()), tuple(broken))
