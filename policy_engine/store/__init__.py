"""The store floor of policy_engine."""
