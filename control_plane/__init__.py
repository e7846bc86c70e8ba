"""Gateway, console, wiring and command line: knows every house, is known by none."""
