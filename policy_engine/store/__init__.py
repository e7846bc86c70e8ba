"""The tables of the policy engine: what was seen of whom."""
