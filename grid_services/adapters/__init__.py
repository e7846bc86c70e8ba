"""The adapters floor of grid_services."""
