"""The grants, a file each: what must be right before a token is issued for it."""
