"""Figures with stable names, measured as ratios to a calibration or a peer of the same run."""
