"""The service floor of governance."""
