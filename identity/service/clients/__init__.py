"""The desk where clients are kept."""
