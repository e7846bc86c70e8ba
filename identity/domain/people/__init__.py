"""People at the door: policies without any I/O."""
