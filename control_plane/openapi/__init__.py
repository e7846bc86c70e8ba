"""The protected API, described: OpenAPI 3.1 made from the endpoints themselves."""
