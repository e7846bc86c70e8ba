"""How an hour of load is judged: a figure that cannot be the load of a whole country is marked, never repaired.

`zero` is a figure of 0 MW or less: a control area that feeds a country is never without load, the report failed.
`spike` is a figure above CEILING_MW. A fixed ceiling is on purpose: the highest load the area ever reported in good
order is about 2,250 MW, while steep but true ramps (a tenth of the load in an hour) would trip a rule on jumps.
Low figures above zero stay `ok`: the load reported is net of rooftop sun, and summer noons of 2026 really are low.
`missing` is an hour inside the archive's span without a row.
"""

from enum import StrEnum

CEILING_MW = 2_500.0


class Quality(StrEnum):
    """What an hour is worth; only `OK` may enter an average, a forecast or a score."""

    OK = "ok"
    ZERO = "zero"
    SPIKE = "spike"
    MISSING = "missing"


def judge(mw: float | None) -> Quality:
    """Return the quality of one hour's figure; not a number counts as missing."""
    if mw is None or mw != mw:  # noqa: PLR0124 - only NaN differs from itself
        return Quality.MISSING
    if mw <= 0:
        return Quality.ZERO
    return Quality.SPIKE if mw > CEILING_MW else Quality.OK
