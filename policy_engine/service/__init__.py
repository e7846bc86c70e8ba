"""The service floor of policy_engine."""
