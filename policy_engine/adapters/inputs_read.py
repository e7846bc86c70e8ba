"""Finds in the syntax trees of a bundle which parts of `input` its policies can read.

A reference counts up to its first variable part: `input.subject.id` is ("subject", "id"), `input.resource[x].y` is
("resource",), and `input` alone, as in `f(input)` or `with input as ...`, is everything.
"""

from policy_engine.adapters.syntax import references, spelled_out
from policy_engine.domain.reads import Reads


def inputs_read(trees: object) -> Reads:
    """Return what the modules read."""
    return Reads(spelled_out(steps) for root, steps in references(trees) if root == "input")
