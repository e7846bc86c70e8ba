"""Streams, their subjects, and the events that wait in them."""
