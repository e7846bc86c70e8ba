"""Facts, laws, attacks."""
