"""SCIM's questions to the database."""
