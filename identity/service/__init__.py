"""The service floor of identity."""
