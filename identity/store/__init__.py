"""The store floor of identity."""
