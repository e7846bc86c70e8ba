"""The http floor of soar_playbooks."""
