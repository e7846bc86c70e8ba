"""Personal fields, sealed under keys that can be destroyed."""
