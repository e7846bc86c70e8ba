"""The label lattice: PUBLIC < INTERNAL < CONFIDENTIAL < RESTRICTED. What is not labelled is RESTRICTED."""

from enum import IntEnum


class Classification(IntEnum):
    """How much harm disclosure does; comparable, the maximum of two is their join."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3


UNCLASSIFIED = Classification.RESTRICTED
