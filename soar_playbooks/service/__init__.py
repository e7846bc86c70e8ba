"""The service floor of soar_playbooks."""
