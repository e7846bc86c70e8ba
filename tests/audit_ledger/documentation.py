"""Writes the attack table of docs/ledger.md: `python -m tests.audit_ledger.documentation`."""

from pathlib import Path

from tests.audit_ledger.attacks import ATTACKS, STEPS, Attack, Found

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"
BEGIN, END = "<!-- attacks: generated -->\n", "<!-- attacks: end -->\n"
HEADER = ("| attack | check | database alone | checkpoints outside | receipts kept | the report says |",
          "|---|---|---|---|---|---|")


def attack_rows() -> list[str]:
    """Return the table's lines."""
    return [*HEADER, *(_row(each) for each in ATTACKS)]


def _row(attack: Attack) -> str:
    return (f"| {attack.name} | {attack.step}. {STEPS[attack.step]} | {_said(attack.alone)} | {_said(attack.anchored)} "
            f"| {'`receipt_mismatch`' if attack.by_receipts else ''} | {attack.says or '-'} |")


def _said(found: Found) -> str:
    return ", ".join(f"`{kind}`" for kind in dict.fromkeys(kind for kind, _, _ in found)) or "**not caught**"


def main() -> None:
    """Put the table between its marks."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "\n".join(attack_rows()) + "\n" + END + after)


if __name__ == "__main__":
    main()
