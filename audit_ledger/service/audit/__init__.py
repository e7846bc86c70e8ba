"""The auditor: verification of the ledger, its bundles, its keys and its prunes."""
