"""Clients that others wrote, against the product as it runs."""
