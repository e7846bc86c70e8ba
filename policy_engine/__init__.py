"""The policy engine decides: risk, then Rego, then a reasoned answer."""
