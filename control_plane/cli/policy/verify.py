"""`gridwarden policy verify`: whether a gateway would take a bundle file."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson


def verify(
    bundle: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle file.")],
    *, key: Annotated[Path | None, typer.Option(
        "--key", exists=True, dir_okay=False, envvar="GRIDWARDEN_POLICY_VERIFICATION_KEY",
        help="The author's public key (PEM); without it the signature is not looked at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the signature of BUNDLE, compile it and try it, as a gateway does; exit 1 with the reason when it fails.

    Examples:
        gridwarden policy verify policy.tar.gz --key policy.pub

        gridwarden policy verify policy.tar.gz --key policy.pub --json | jq .built_at
    """
    from control_plane.cli.policy.author_desk import told, verified

    found = verified(bundle, key)
    if as_json:
        typer.echo(orjson.dumps({**told(found), "signature": "verified" if key else "not looked at"}))
        return
    typer.echo(f"{bundle}: {'the signature holds' if key else 'signature not looked at (no --key)'}; it would decide")
    for name, value in told(found).items():
        typer.echo(f"  {name:<10} {value}")
