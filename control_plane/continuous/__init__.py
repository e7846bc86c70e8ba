"""Continuous verification: what was granted is looked at again whenever something that granted it changed."""
