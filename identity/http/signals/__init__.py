"""The transmitter of security events over HTTP."""
