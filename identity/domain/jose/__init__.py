"""Tokens and keys: strict before any library sees a byte."""
