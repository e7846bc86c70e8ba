"""What a client may be: its metadata, the rules they keep, the keys it shows."""
