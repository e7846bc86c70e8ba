"""The ledger's tree and one entry's proof as pictures: places and sizes of SVG shapes, computed from hashes' positions.

A tree of n entries is a row of perfect subtrees, one for each 1 in the binary form of n; they fold from the right into
the root. A proof is a ladder: at each rung a sibling joins from the left or from the right (RFC 9162, section 2.1.3).
"""

from dataclasses import dataclass
from typing import Any

WIDTH = 960
_BASE, _TOP, _ROOT = 218, 92, 24
_MARGIN, _GAP = 14, 6
_LEAST = 12
RUNG, _HALF = 44, 150


@dataclass(frozen=True, slots=True)
class Peak:
    """A perfect subtree as a triangle; `is_signed`: wholly under the newest signed checkpoint."""

    left: float
    right: float
    top: float
    level: int
    first: int
    last: int
    hash: str
    is_signed: bool

    @property
    def middle(self) -> float:
        """The apex's x."""
        return (self.left + self.right) / 2

    @property
    def points(self) -> str:
        """SVG's points of the triangle."""
        return f"{self.left:.1f},{_BASE} {self.middle:.1f},{self.top:.1f} {self.right:.1f},{_BASE}"


@dataclass(frozen=True, slots=True)
class TreePicture:
    """Triangles, and the lines that fold them into the root."""

    peaks: tuple[Peak, ...]
    folds: tuple[tuple[float, float, float, float], ...]
    root_x: float
    root: str
    size: int


def tree_picture(tree: dict[str, Any], signed: int) -> TreePicture | None:
    """Return the picture of `GET /api/v1/ledger/tree`; None for an empty tree."""
    found = tree.get("peaks") or []
    if not found:
        return None
    highest = max(peak["level"] for peak in found)
    shares = [peak["level"] + 1.5 for peak in found]
    free = WIDTH - 2 * _MARGIN - _GAP * (len(found) - 1) - _LEAST * len(found)
    peaks, left = [], float(_MARGIN)
    for peak, share in zip(found, shares, strict=True):
        right = left + _LEAST + free * share / sum(shares)
        top = _BASE - (_BASE - _TOP) * (peak["level"] + 1) / (highest + 1)
        peaks.append(Peak(left, right, top, peak["level"], peak["first"], peak["last"], peak["hash"],
                          is_signed=peak["last"] < signed))
        left = right + _GAP
    folds, root_x = _folds(peaks)
    return TreePicture(tuple(peaks), tuple(folds), root_x, tree["root"], tree["size"])


def _folds(peaks: list[Peak]) -> tuple[list[tuple[float, float, float, float]], float]:
    """Join from the right: each fold lies between its two parts and above them."""
    x, y = peaks[-1].middle, peaks[-1].top
    folds = []
    rise = (_TOP - _ROOT) / max(len(peaks), 1)
    for count, peak in enumerate(reversed(peaks[:-1]), start=1):
        to_x, to_y = (peak.middle + x) / 2, _TOP - rise * count
        folds += [(peak.middle, peak.top, to_x, to_y), (x, y, to_x, to_y)]
        x, y = to_x, to_y
    return [*folds, (x, y, x, _ROOT)], x


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a proof: our node, and the sibling that joins it from a side."""

    y: int
    sibling: str
    is_left: bool

    @property
    def x(self) -> int:
        """Where the sibling stands."""
        return _HALF - 110 if self.is_left else _HALF + 110


@dataclass(frozen=True, slots=True)
class ProofPicture:
    """The ladder from the leaf, at the bottom, to the root."""

    rungs: tuple[Rung, ...]
    height: int
    middle: int = _HALF


def proof_picture(seq: int, size: int, path: list[str]) -> ProofPicture:
    """Return the ladder of an inclusion proof, the sides as RFC 9162 section 2.1.3.2 walks them."""
    height = RUNG * (len(path) + 1) + 20
    rungs, place, last = [], seq, size - 1
    for step, sibling in enumerate(path):
        is_left = bool(place & 1) or place == last
        rungs.append(Rung(height - RUNG * (step + 1) - 6, sibling, is_left))
        while is_left and not place & 1 and place:
            place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1
    return ProofPicture(tuple(rungs), height)
