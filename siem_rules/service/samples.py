"""A rule proves itself: `fires.jsonl` beside it must raise its alert, `silent.jsonl` must raise none."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from shared_kernel.clock import from_iso
from shared_kernel.events import SealedEvent
from siem_rules.domain.alert import Alert
from siem_rules.domain.engine import Engine
from siem_rules.domain.event_time import Lateness
from siem_rules.domain.rule import Rule
from siem_rules.service.rule_folder import RuleFolders

FIRES, SILENT = "fires.jsonl", "silent.jsonl"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking one rule file found; `problems` is empty when all is well."""

    label: str
    rule_id: str | None
    problems: tuple[str, ...]


def check(folder: Path) -> list[Verdict]:
    """Compile every rule below a folder and run the samples that stand beside it."""
    ruleset = RuleFolders([folder]).read()
    verdicts = [Verdict(broken.label, None, (broken.reason,)) for broken in ruleset.broken]
    verdicts += [Verdict(rule.label, rule.rule_id, tuple(_problems(rule, (folder / rule.label).parent)))
                 for rule in ruleset.rules]
    return sorted(verdicts, key=lambda verdict: verdict.label)


def replay(rule: Rule, samples: Path) -> list[Alert]:
    """Return the alerts of a rule over a file of events, one JSON document a line, in its order."""
    events = [orjson.loads(line) for line in samples.read_bytes().splitlines() if line.strip()]
    sealed = [SealedEvent(seq, _recorded_at(event), event) for seq, event in enumerate(events)]
    return Engine([rule], Lateness()).observe("ledger", sealed).alerts


def _recorded_at(event: dict[str, object]) -> int:
    stamp = event.get("@timestamp")
    return from_iso(stamp) if isinstance(stamp, str) else 0


def _problems(rule: Rule, folder: Path) -> Iterator[str]:
    for name in (FIRES, SILENT):
        try:
            found = replay(rule, folder / name) if (folder / name).is_file() else None
        except ValueError as cause:
            yield f"{name} is not one JSON event a line: {cause}"
            continue
        yield from _judged(rule, name, found)


def _judged(rule: Rule, name: str, found: list[Alert] | None) -> Iterator[str]:
    if found is None:
        return
    if name == SILENT and found:
        yield f"{name} raises {found[0].why}"
    if name == FIRES:
        missing = {profile.detection for profile in rule.profiles} - {alert.profile.detection for alert in found}
        yield from (f"{name} does not raise {detection}" for detection in sorted(missing))
