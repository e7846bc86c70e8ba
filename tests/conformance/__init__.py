"""What the OpenID Foundation's conformance suite needs to know to test a running product unattended."""
