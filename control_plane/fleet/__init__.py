"""Several processes on one database: what only one of them does, workers of one host, and metrics of all of them."""
