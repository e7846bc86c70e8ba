"""Second factors: enrolled, shown, renamed, removed."""
