"""`gridwarden policy sign`: an author's signature on a bundle file, instead of any before."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson
from control_plane.cli.policy.build import PasswordOption


def sign(
    bundle: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle file.")],
    *, key: Annotated[Path, typer.Option("--key", exists=True, dir_okay=False, help="The author's private key (PEM).")],
    password: PasswordOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of over BUNDLE.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign BUNDLE, made by `gridwarden policy build` or `opa build`.

    Examples:
        gridwarden policy sign policy.tar.gz --key policy.key

        gridwarden policy sign bundle.tar.gz --key policy.key -o signed.tar.gz
    """
    from control_plane.cli.policy.author_desk import signed_again, told

    found = signed_again(bundle, output or bundle, key, password)
    if as_json:
        typer.echo(orjson.dumps({**told(found), "file": str(output or bundle), "signed": True}))
        return
    typer.echo(f"{output or bundle}: signed, revision {found.revision}")
