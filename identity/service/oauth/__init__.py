"""The desks of the protocol."""
