"""The http floor of policy_engine."""
