"""`gridwarden ledger verifier`: the verifier of bundles as one file, for an auditor to take from a place he trusts.

What lies in a bundle came with what it is to judge; this one comes with the product, and its digest can be compared.
"""

import hashlib

import typer

from audit_ledger.adapters.bundle_file import verifier_source


def verifier() -> None:
    """Print the offline verifier of bundles: one file, Python 3.9 or newer, nothing to install.

    Its SHA-256 goes to standard error: compare it with the one that somebody else's installation of this version says.

    Example: gridwarden ledger verifier > verify.py
    """
    source = verifier_source().encode()
    typer.echo(f"SHA-256 {hashlib.sha256(source).hexdigest()}", err=True)
    typer.echo(source, nl=False)
