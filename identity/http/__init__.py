"""The http floor of identity."""
