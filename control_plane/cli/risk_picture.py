"""Risk as text: a replay as a table, a curve in characters, contributions as bars."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from policy_engine.domain.risk import RiskScore
from policy_engine.domain.risk_evaluation import Outcome
from policy_engine.domain.risk_replay import ATTACKERS

_BAR, _LOUDEST = 24, 3.0
_HEIGHT, _WIDTH = 11, 51


def replay_table(rows: Sequence[Mapping[str, float]], title: str) -> Table:
    """Return the rows of risk_evaluation.table as a table."""
    found = Table("logins known", *(f"TPR {name}" for name in ATTACKERS), "asked again now (FPR)",
                  "asked again so far: median", "nine in ten below", title=title, title_justify="left")
    for row in rows:
        found.add_row(
            f"{row['logins']:.0f}", *(f"{row[f'tpr_{name}']:.3f}" for name in ATTACKERS), f"{row['fpr']:.3f}",
            f"{row['reauthentication_median']:.3f}", f"{row['reauthentication_p90']:.3f}")
    return found


def curve(outcomes: Sequence[Outcome], attacker: str, length: int) -> list[str]:
    """Return a ROC: share of an attacker's attempts caught (up) by share of own logins asked again (right)."""
    points = [(sum(found.asked(length, threshold) for found in outcomes) / len(outcomes),
               sum(found.caught(attacker, length, threshold) for found in outcomes) / len(outcomes))
              for threshold in range(101)]
    grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for asked, caught in points:
        grid[round((1 - caught) * (_HEIGHT - 1))][round(asked * (_WIDTH - 1))] = "*"
    lines = [f"{1 - number / (_HEIGHT - 1):4.1f} |{''.join(row)}" for number, row in enumerate(grid)]
    return [*lines, "     +" + "-" * _WIDTH, "      0" + " " * (_WIDTH - 2) + "1",
            f"      {attacker}, {length} logins known: caught (up) by own logins asked again (right)"]


def bars(score: RiskScore) -> list[str]:
    """Return a line a feature: to the right speaks against the subject, to the left for it."""
    lines = []
    for feature, ratio in (score.log_ratios or {}).items():
        long = min(_BAR, round(abs(ratio) / _LOUDEST * _BAR))
        left, right = ("#" * long).rjust(_BAR) if ratio < 0 else " " * _BAR, "#" * long if ratio > 0 else ""
        lines.append(f"{feature:<10} {left}|{right:<{_BAR}} {ratio:+.2f}")
    if score.points:
        right = "#" * round(score.points / 60 * _BAR)
        lines.append(f"{'behaviour':<10} {' ' * _BAR}|{right:<{_BAR}} +{score.points} points")
    return lines


def known_table(known: Mapping[str, Any]) -> Table:
    """Return what is usual for a subject."""
    found = Table("feature", "usual (times seen)", title=f"{known['subject']}: {known['requests']} requests",
                  title_justify="left")
    for feature, values in known["usual"].items():
        found.add_row(feature, ", ".join(f"{one['value']} ({one['seen']})" for one in values[:5]))
    return found


def show(*parts: Table | str) -> None:
    """Print; as wide as needed when piped."""
    console = Console()
    out = Console(width=None if console.is_terminal else 160, highlight=False)
    for part in parts:
        out.print(part, markup=False) if isinstance(part, str) else out.print(part)
