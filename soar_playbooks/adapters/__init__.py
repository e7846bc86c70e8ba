"""The adapters floor of soar_playbooks."""
