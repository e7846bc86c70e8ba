"""The service floor of grid_services."""
