"""The http floor of governance."""
