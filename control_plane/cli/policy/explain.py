"""`gridwarden policy explain`: a sealed decision, asked again, in words; exit code 4 when the answer is another one."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.tree import Tree

from control_plane.cli.options import AsJson, HomeOption, UrlOption

ANOTHER_ANSWER = 4
_MOST = 100


def explain(  # noqa: PLR0913 - one keyword an option
    request_id: Annotated[str, typer.Argument(help="The request's id, from the answer's X-Request-Id or problem.")],
    *, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
    gateway: Annotated[str | None, typer.Option(help="Ask this running gateway instead of the database.")] = None,
    token: Annotated[str | None, typer.Option(
        envvar="GRIDWARDEN_TOKEN", help="The access token for --gateway.")] = None,
    trust: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A certificate to believe.")] = None,
) -> None:
    """Tell why a request was allowed or refused, what would turn the answer, and whether it is still the same.

    The decision is put to the very bundle that made it. Exit code 0: same answer. 1: no such decision, or it cannot be
    asked again. 4: another answer than the sealed one (tampering, or a defect).

    Examples:
        gridwarden policy explain 01a1ff22-2b65-7f89-884d-d0dbda81296e

        gridwarden policy explain REQUEST_ID --json | jq .changes

        gridwarden policy explain REQUEST_ID --gateway http://127.0.0.1:5000 --token "$(gridwarden token admin)"
    """
    from control_plane.cli.policy.explaining_desk import asked_at_gateway, asked_at_home

    told = asked_at_home(request_id, home, url) if gateway is None else asked_at_gateway(
        request_id, gateway, token, trust)
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        _tell(Console(highlight=False, soft_wrap=True), told)
    raise typer.Exit({True: 0, False: ANOTHER_ANSWER, None: 1}[told["agrees"]])


def _tell(console: Console, told: dict[str, Any]) -> None:
    decision = told["decision"]
    verdict = "allowed" if decision["allow"] else "refused"
    console.print(f"{verdict}: {decision['action']} on {decision['path']}", style="bold", markup=False)
    for reason in decision["reasons"] or ():
        console.print(f"  because {reason}", markup=False)
    if told["agrees"] is False:
        console.print("ANOTHER ANSWER: tampering, or a defect. Run `gridwarden ledger verify`.", style="bold red")
    for difference in told["differences"]:
        console.print(f"  {difference}", style="red", markup=False)
    if told["obstacle"]:
        console.print(f"not asked again: {told['obstacle']}", markup=False)
        return
    console.print("\nwhat it rests on:" if decision["allow"] else "\nwhat would turn it:")
    for change in told["changes"]:
        console.print(f"  {change['words']}", markup=False)
    if not told["changes"]:
        console.print("  nothing that was tried")
    console.print(_tree(told["rules"]))
    _tell_now(console, told)


def _tell_now(console: Console, told: dict[str, Any]) -> None:
    now = told["now"]
    if now is not None:
        same = "the same revision" if now["revision"] == told["decision"]["revision"] else now["revision"][:12]
        console.print(f"\nthe policy now ({same}) {'would allow' if now['allow'] else 'would refuse'} it", markup=False)


def _tree(rules: list[dict[str, Any]]) -> Tree:
    """Return the rules as a tree, each where it is first needed."""
    by_name = {rule["name"]: rule for rule in rules}
    seen: set[str] = set()
    root = Tree("\nrules, each above those it needs (+ something holds, - nothing does):")

    def grow(branch: Tree, name: str) -> None:
        if name in seen or name not in by_name:
            return
        seen.add(name)
        rule = by_name[name]
        grown = branch.add(_line(rule))
        for needed in rule["needs"]:
            grow(grown, needed)

    grow(root, "decision")
    return root


def _line(rule: dict[str, Any]) -> str:
    from rich.markup import escape

    value = "undefined" if rule["value"] is None else orjson.dumps(rule["value"]).decode()
    shown = value if len(value) <= _MOST else f"{value[:_MOST]}…"
    return escape(f"{'+' if rule['holds'] else '-'} {rule['name']}: {shown}  {rule['file']}:{rule['line']}")
