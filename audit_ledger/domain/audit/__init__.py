"""What a verification knows without any I/O: the walk over the rows, the tree, and what can be found."""
