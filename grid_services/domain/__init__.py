"""The domain floor of grid_services."""
