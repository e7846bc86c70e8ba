"""The domain floor of soar_playbooks."""
