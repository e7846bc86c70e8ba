"""Messages of `envoy.service.auth.v3`, generated from external_auth.proto."""
