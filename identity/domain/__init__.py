"""The domain floor of identity."""
