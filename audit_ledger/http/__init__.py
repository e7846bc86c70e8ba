"""The http floor of audit_ledger: endpoints.py has every route behind the gateway, witness.py is an app of its own."""
