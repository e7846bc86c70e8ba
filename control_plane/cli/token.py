"""`gridwarden token`: sign in from the terminal and print an access token for curl."""

import asyncio
import sys
from typing import Annotated

import typer

from control_plane.cli.person import Person
from control_plane.config import load_settings


def token(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    *,
    gateway: Annotated[str | None, typer.Option(help="URL of the gateway (GRIDWARDEN_ISSUER).")] = None,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, envvar="GRIDWARDEN_PASSWORD",
                                          help="The account's password; asked for when not in the environment.")],
    code: Annotated[str | None, typer.Option(envvar="GRIDWARDEN_CODE",
                                             help="The code of a second factor; asked for when one is due.")] = None,
) -> None:
    """Print an access token of NAME, good for ten minutes.

    Example: curl -H "Authorization: Bearer $(gridwarden token admin)" http://127.0.0.1:5000/api/v1/users/me
    """
    settings = load_settings(issuer=gateway)

    async def run() -> str:
        async with Person(settings.gateway_url(), trust=settings.tls_cert) as person:
            await person.sign_in(name, password, code=lambda: code or _asked())
            return str(person.tokens["access_token"])

    typer.echo(asyncio.run(run()))


def _asked() -> str | None:
    """Ask at the terminal; standard output is the token's alone."""
    return str(typer.prompt("Code", err=True)) if sys.stdin.isatty() else None
