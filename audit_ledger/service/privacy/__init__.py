"""Sealing and erasing personal fields."""
