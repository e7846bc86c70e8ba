"""Least privilege is SQL: who may touch what, created before any house migrates.

Where somebody else made the roles, an owner who may not grant them must be a member already; the pool says if not.
Every pool connects as the owner and drops to one of these roles in the connection's start-up packet.
"""

APP = "gridwarden_app"
LEDGER_WRITER = "gridwarden_ledger_writer"
LEDGER_READER = "gridwarden_ledger_reader"
LEDGER_PRUNER = "gridwarden_ledger_pruner"

ALL_ROLES = (APP, LEDGER_WRITER, LEDGER_READER, LEDGER_PRUNER)

CREATE_ROLES = tuple(
    f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
        BEGIN GRANT {role} TO CURRENT_USER; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"""
    for role in ALL_ROLES
)
"""One statement a role."""
