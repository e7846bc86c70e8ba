"""Decides: who may do what, on which data, from where, how risky, for which purpose. Answered in Rego, explained."""
