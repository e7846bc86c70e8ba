"""The protocol: what a request may say, as tables of small checks."""
