"""The command `gridwarden`."""
