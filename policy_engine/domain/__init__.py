"""The domain floor of policy_engine."""
