"""Taking entries away, and letting them go."""
