"""The store floor of soar_playbooks."""
