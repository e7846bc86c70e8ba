"""SCIM 2.0 without its wire: schemas, filters, patches (RFC 7643, RFC 7644)."""
