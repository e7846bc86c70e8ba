"""Least privilege is SQL: who may touch what, created before any house migrates.

Every pool connects as the owner and drops to one of these roles in the connection's start-up packet.
"""

APP = "gridwarden_app"
LEDGER_WRITER = "gridwarden_ledger_writer"
LEDGER_READER = "gridwarden_ledger_reader"

ALL_ROLES = (APP, LEDGER_WRITER, LEDGER_READER)

CREATE_ROLES = "\n".join(
    f"""DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    GRANT {role} TO CURRENT_USER;"""
    for role in ALL_ROLES
)
