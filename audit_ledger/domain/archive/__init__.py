"""What leaves the database or lies beside it: bundles, prune marks, copies."""
