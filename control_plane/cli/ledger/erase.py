"""`gridwarden ledger erase`: destroy the key of a subject's sealed fields while the product is not running."""

from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson, HomeOption, UrlOption


def erase(  # noqa: PLR0913 - one keyword an option
    subject: Annotated[str, typer.Argument(help="The `user.id` of the entries, not a name.")],
    *, reason: Annotated[str, typer.Option("--reason", help="Why; the ledger keeps it.")],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Erase SUBJECT's personal fields from the ledger, for good: their key is destroyed, an entry says so.

    Backups of the database taken before keep the wrapped key until they expire.

    Example: gridwarden ledger erase 019a2b3c-7d10-7c3e-9f00-0123456789ab --reason "request of 1 May"
    """
    from audit_ledger.service.privacy.erasure import Erasing
    from control_plane.cli.ledger.writing_desk import at_writing_desk, operator
    from control_plane.home import Home
    from control_plane.parts import Audited

    if not is_sure:
        typer.confirm(f"Erase the personal fields of {subject}? Nobody can bring them back", abort=True)

    async def work(audited: Audited, _home: Home) -> Erasing:
        return await audited.erasure.erase(subject, reason=reason, context=operator())

    body = orjson.dumps({"subject": subject, "reason": reason}).decode()
    done = at_writing_desk(home, url, work,
                           instead=f"let it erase: POST /api/v1/ledger/erasures {body} at its gateway")
    if as_json:
        typer.echo(orjson.dumps({"subject": done.subject, "keys": done.keys, "entries": done.entries}))
    elif done.keys:
        typer.echo(f"erased {done.subject}: {done.entries} entries, key {', '.join(done.keys)}")
    else:
        typer.echo(f"{done.subject} was erased before, and nothing was sealed since")
