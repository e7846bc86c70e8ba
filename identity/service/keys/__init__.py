"""Keys at work: the provider's own, kept and rotated, and those that clients publish."""
