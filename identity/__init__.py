"""Identity knows who: an OAuth 2 and OpenID Connect provider."""
