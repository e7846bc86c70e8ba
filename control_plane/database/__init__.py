"""The one PostgreSQL: embedded by a wheel or yours by URL; roles, migrations and pools."""
