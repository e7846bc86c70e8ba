"""The store floor of grid_services."""
