"""The store floor of governance."""
