"""The domain floor of governance."""
