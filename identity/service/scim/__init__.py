"""The desks of SCIM: people, groups, and many operations at once."""
