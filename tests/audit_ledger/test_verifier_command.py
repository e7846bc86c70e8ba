"""An auditor gets the one-file verifier from an installation, and can compare its digest."""

import ast
import hashlib

from typer.testing import CliRunner

from control_plane.cli.ledger import app


def test_the_verifier_is_printed_to_the_byte_and_its_digest_beside_it() -> None:
    done = CliRunner().invoke(app, ["verifier"])

    assert done.exit_code == 0
    assert done.stderr == f"SHA-256 {hashlib.sha256(done.stdout_bytes).hexdigest()}\n"
    assert done.stdout.startswith("#!/usr/bin/env python3\n")


def test_it_opens_once_says_what_it_does_and_numbers_its_steps() -> None:
    tree = ast.parse(CliRunner().invoke(app, ["verifier"]).stdout)

    opening = ast.get_docstring(tree) or ""
    strays = [node for node in tree.body[1:] if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]

    assert opening.startswith("Verify a Gridwarden ledger bundle with nothing but Python >= 3.9")
    assert [line.split(".")[0].strip() for line in opening.splitlines() if line.lstrip()[:2].rstrip(".").isdigit()] == [
        str(step) for step in range(1, 9)]
    assert strays == []
