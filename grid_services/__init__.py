"""Grid services measure: ingestion, windows, analytics, forecast."""
