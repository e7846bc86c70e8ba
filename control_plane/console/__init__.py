"""The web console: server-rendered, an ordinary OpenID Connect client of the gateway, no back door."""
