"""The audit ledger remembers: a hash chain that is an RFC 6962 tree."""
