"""`gridwarden policy build`: a folder of policies becomes a bundle file, OPA's format, signed if there is a key."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson

KeyOption = Annotated[Path | None, typer.Option(
    "--key", exists=True, dir_okay=False, help="The author's private key (PEM): P-256, P-384, Ed25519 or RSA.")]
PasswordOption = Annotated[str | None, typer.Option(
    "--key-password", envvar="GRIDWARDEN_POLICY_KEY_PASSWORD", help="The password of that key, if it has one.")]


def build(  # noqa: PLR0913 - one keyword an option
    folder: Annotated[Path | None, typer.Argument(
        exists=True, file_okay=False, help="A folder of .rego files and data.json; else the shipped one.")] = None,
    *, output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("policy.tar.gz"),
    key: KeyOption = None, password: PasswordOption = None,
    name: Annotated[str, typer.Option(
        "--revision", help="What you call it, a tag or commit; its content's SHA-256 without it.")] = "",
    sequence: Annotated[int | None, typer.Option(
        min=1, help="Its place in line; the time in microseconds without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compile FOLDER, try it, and write it as one bundle file that OPA takes, too.

    What must not decide is refused here already, with the file and the reason (exit code 1). Tests (`*_test.rego`) and
    cases stay behind.

    Examples:
        gridwarden policy build my-policies --key policy.key -o policy.tar.gz

        gridwarden policy build my-policies --key policy.key --revision "$(git describe)" --json

        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out policy.key

        openssl pkey -in policy.key -pubout -out policy.pub
    """
    from control_plane.cli.policy.author_desk import built_from, told

    bundle, is_signed = built_from(folder, output, key, password, name=name, sequence=sequence)
    if as_json:
        typer.echo(orjson.dumps({**told(bundle), "file": str(output), "signed": is_signed}))
        return
    typer.echo(f"{output}: {'signed' if is_signed else 'not signed'}, revision {bundle.revision}")
