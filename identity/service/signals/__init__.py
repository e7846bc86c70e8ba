"""Streams of security events: managed, filled, delivered."""
