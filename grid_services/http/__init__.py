"""The http floor of grid_services."""
