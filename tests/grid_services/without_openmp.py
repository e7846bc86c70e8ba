"""A training process on a machine whose loader finds no OpenMP: what importing LightGBM says there."""

raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
