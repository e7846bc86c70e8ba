"""The JSON API of administrators and provisioning."""
