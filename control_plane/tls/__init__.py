"""TLS on the product's own ports."""
