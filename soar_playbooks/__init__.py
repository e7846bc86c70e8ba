"""The playbooks respond: journaled steps, approved by people."""
