"""Real servers for tests: each context manager installs into a cache folder, starts, waits for readiness, stops."""
