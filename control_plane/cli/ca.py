"""`gridwarden ca`: the built-in certificate authority for services behind the gateway."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson, HomeOption

app = typer.Typer(help="Built-in certificate authority for services: show, issue.", no_args_is_help=True)


@app.command("show")
def show(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Print the authority's certificate (PEM), which services must believe; it is made if there is none yet.

    Examples: gridwarden ca show > authority.pem; gridwarden ca show --json
    """
    from control_plane.cli.ca_desk import shown

    found = shown(home)
    typer.echo(orjson.dumps(found) if as_json else found["certificate"], nl=as_json)


@app.command("issue")
def issue(  # noqa: PLR0913 - one an option
    names: Annotated[list[str], typer.Argument(help="Names and addresses of the service, the first is its main one.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder for NAME.pem, NAME.key and authority.pem.")] = Path(),
    csr: Annotated[Path | None, typer.Option("--csr", help="Sign this request (PEM); its key stays there.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=397, help="Lifetime.")] = 30,
    home: HomeOption = None, as_json: AsJson = False,
) -> None:
    """Issue a server certificate for a service behind the gateway.

    Names are below internal, local, localhost, test, home.arpa, svc, cluster.local or consul; addresses are private
    ones: the authority can vouch for no others. Written are NAME.pem, NAME.key (not with --csr) and authority.pem.

    Examples: gridwarden ca issue billing.internal 10.0.0.7 --out tls; gridwarden ca issue billing.internal --csr b.csr
    """
    from control_plane.cli.ca_desk import issued

    found = issued(home, names, out=out, csr=csr, days=days)
    typer.echo(orjson.dumps(found) if as_json else "\n".join(found["files"]))
