"""The SIEM notices: Sigma rules over sealed events, on event time."""
