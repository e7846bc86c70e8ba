"""Who vouches for the ledger from outside: witnesses, and timestamp authorities."""
