"""`gridwarden policy publish`: a signed bundle to every process, by a running gateway."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson


def publish(
    bundle: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The signed bundle file.")],
    *, gateway: Annotated[str | None, typer.Option(help="URL of the gateway (GRIDWARDEN_ISSUER).")] = None,
    token: Annotated[str | None, typer.Option(
        envvar="GRIDWARDEN_TOKEN", help="An administrator's access token: see `gridwarden token`.")] = None,
    trust: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A certificate to believe.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let BUNDLE decide in every process on the gateway's database, at the same moment, a few seconds from now.

    Publishing again what was published changes nothing, so an interrupted command is simply repeated. A bundle that is
    not the author's, or older than what has decided, is refused: to return to an old policy, build it again.

    Examples:
        gridwarden policy publish policy.tar.gz --token "$(gridwarden token admin)"

        GRIDWARDEN_TOKEN=... gridwarden policy publish policy.tar.gz --gateway https://grid.example --json
    """
    from control_plane.cli.policy.publishing_desk import published

    found = published(bundle, gateway, token, trust)
    if as_json:
        typer.echo(orjson.dumps(found))
        return
    typer.echo(f"version {found['version']} decides everywhere from {found['active_from']} on "
               f"({found['name']}, published by {found['published_by']})")
