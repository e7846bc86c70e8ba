"""`gridwarden risk`: train what judges behaviour, activate it or go back, measure, explain a score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from control_plane.cli.options import AsJson, HomeOption, UrlOption

app = typer.Typer(help="Risk: train, activate, evaluate, explain.", no_args_is_help=True)

Synthetic = Annotated[bool, typer.Option("--synthetic", help="Use made-up days at work in the place of the ledger.")]
Last = Annotated[int, typer.Option("--last", min=1, help="How many of the newest ledger entries to read.")]
LAST = 500_000


@app.command("train")
def train_model(  # noqa: PLR0913 - one keyword an option
    *, synthetic: Synthetic = False, last: Last = LAST,
    out: Annotated[Path | None, typer.Option(
        "--out", help="Where to write it; HOME/risk/DIGEST.model without it.")] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Let it score at once.")] = False,
    home: HomeOption = None, url: UrlOption = None, as_json: AsJson = False,
) -> None:
    r"""Train on the decisions in the ledger, write a signed model, show how it tells abuse from work.

    Needs scikit-learn (`gridwarden\[train]`). The key is HOME/keys/risk.key, made at the first training.

    Examples:
        gridwarden risk train --activate

        gridwarden risk train --synthetic --out try.model --json
    """
    from control_plane.cli import risk_desk
    from control_plane.cli.ledger.desk import at_desk
    from control_plane.cli.progress import progress_bar
    from policy_engine.adapters.risk_training import sample_of
    from policy_engine.domain.risk_sessions import days_at_work

    with progress_bar("reading", is_shown=not as_json) as progress:
        sample = sample_of(days_at_work(1)) if synthetic else at_desk(
            home, url, lambda desk: risk_desk.sample_ledger(desk, last, progress))
    model, path = risk_desk.trained(sample, risk_desk.home_of(home, url), out)
    abuse = _abuse_of(model)
    told = {"digest": model.digest, "samples": model.samples, "source": "synthetic" if synthetic else "ledger",
            "path": str(path), "active": activate, "abuse": abuse}
    if activate:
        artifact = risk_desk.read_once(path)
        risk_desk.at_risk_desk(home, url, lambda desk: risk_desk.activated(desk, artifact))
    if as_json:
        typer.echo(orjson.dumps(told))
        return
    typer.echo(f"trained  {model.digest[:12]} on {model.samples} requests ({told['source']})\nwritten  {path}")
    _tell_abuse(abuse)
    typer.echo("active   within five seconds, in every process" if activate
               else f"next     gridwarden risk activate {path}")


@app.command()
def activate(model: Annotated[Path, typer.Argument(help="A file that `risk train` wrote.")], *,
             home: HomeOption = None, url: UrlOption = None) -> None:
    """Verify a model's signature and let it score, in every process on this database.

    Example: gridwarden risk activate var/risk/3f1c9a77d0e2.model
    """
    from control_plane.cli import risk_desk

    artifact = risk_desk.read_once(model)
    found = risk_desk.at_risk_desk(home, url, lambda desk: risk_desk.activated(desk, artifact))
    typer.echo(f"active   {found.digest[:12]} of {found.samples} requests, within five seconds")


@app.command()
def rollback(*, home: HomeOption = None, url: UrlOption = None) -> None:
    """Let the model score that was active before. Example: gridwarden risk rollback."""
    from control_plane.cli import risk_desk

    found = risk_desk.at_risk_desk(home, url, risk_desk.went_back)
    typer.echo(f"active   {found.digest[:12]} of {found.samples} requests, within five seconds")


@app.command()
def deactivate(*, home: HomeOption = None, url: UrlOption = None) -> None:
    """Let no model score: histories alone decide. Example: gridwarden risk deactivate."""
    from control_plane.cli import risk_desk

    done = risk_desk.at_risk_desk(home, url, lambda desk: desk.models.deactivate())
    typer.echo("no model scores any more, within five seconds" if done else "no model was active")


@app.command()
def evaluate(  # noqa: PLR0913 - one keyword an option
    *, people: Annotated[int, typer.Option("--people", min=50, max=5_000, help="Size of the population.")] = 300,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=5, help="How many replays.")] = 3,
    drift: Annotated[bool, typer.Option("--drift", help="Also hold the ledger's newest decisions against the model.")]
    = False, last: Last = LAST, home: HomeOption = None, url: UrlOption = None, as_json: AsJson = False,
) -> None:
    """Replay synthetic logins with four attackers, and show who is caught and who is asked again.

    Synthetic: the population and its assumptions are described in policy_engine/domain/risk_replay.py. The second
    table is what a login makes of the score: a new network or a second browser alone asks nobody again. With --drift
    the decisions in the ledger are compared with those the active model was trained on; exit 2 when they have shifted.

    Examples:
        gridwarden risk evaluate

        gridwarden risk evaluate --people 1000 --seeds 5 --json

        gridwarden risk evaluate --drift
    """
    from control_plane.cli import risk_picture
    from policy_engine.domain import risk_evaluation as replaying

    chosen = replaying.PUBLISHED_SEEDS[:seeds]
    outcomes, at_logins = _replayed(people, chosen, is_shown=not as_json)
    rows, applied = replaying.table(outcomes), replaying.table(at_logins)
    moved = _drift(home, url, last) if drift else None
    if as_json:
        typer.echo(orjson.dumps({"synthetic": True, "people": people, "seeds": list(chosen),
                                 "threshold": replaying.THRESHOLD, "rows": rows, "as_login_applies": applied,
                                 "drift": moved}))
    else:
        title = f"Synthetic replay: {people} people, {seeds} seeds, asked again from {replaying.THRESHOLD}"
        risk_picture.show(
            risk_picture.replay_table(rows, title), "\n".join(risk_picture.curve(outcomes, "targeted", 12)), "",
            risk_picture.replay_table(applied, "As the login applies it: one unusual thing alone asks nobody again"))
        for name, index in (moved or {}).items():
            typer.echo(f"drift    {name:<20} {index:.3f}  {_word(index)}")
    if moved and any(_word(index) == "shifted: train again" for index in moved.values()):
        raise typer.Exit(2)


@app.command()
def explain(  # noqa: PLR0913 - one keyword an option
    subject: Annotated[str, typer.Argument(help="The subject's id, as in decisions and tokens.")], *,
    ip: Annotated[str | None, typer.Option("--ip", help="An address; the usual one without it.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="A user agent; the usual one without it.")] = None,
    hour: Annotated[int | None, typer.Option("--hour", min=0, max=23, help="UTC; the usual one without it.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="As policy names it: meters.read.")] = None,
    home: HomeOption = None, url: UrlOption = None, as_json: AsJson = False,
) -> None:
    """Show what is usual for a subject, and how a request would score, feature by feature.

    Examples:
        gridwarden risk explain 0199c2a4-5b7e-7d31-9a52-3c1f6f0d8e11

        gridwarden risk explain 0199c2a4-5b7e-7d31-9a52-3c1f6f0d8e11 --ip 203.0.113.9 --agent curl/8.5 --hour 3
    """
    from control_plane.cli import risk_picture
    from control_plane.cli.risk_explanation import explained

    found = explained(subject, ip=ip, agent=agent, hour=hour, action=action, home=home, url=url)
    if as_json:
        typer.echo(orjson.dumps({
            "subject": subject, "value": found.score.value, "reasons": found.score.reasons,
            "contributions": found.score.log_ratios, "scored_by": found.scored_by, **found.known}))
        return
    risk_picture.show(
        risk_picture.known_table(found.known), f"risk {found.score.value} of 100 ({found.scored_by})",
        *risk_picture.bars(found.score), *(f"- {reason}" for reason in found.score.reasons))


def _abuse_of(model: Any) -> dict[str, float]:  # noqa: ANN401 - heavy imports stay inside functions
    from policy_engine.domain.risk_evaluation import abuse_table

    return abuse_table(model)


def _tell_abuse(shares: dict[str, float]) -> None:
    for name, share in shares.items():
        what = "false" if name == "work" else "caught"
        typer.echo(f"{what:<8} {name:<20} {share:.1%} of requests raised by 20 points or more")


def _replayed(people: int, seeds: Sequence[int], *, is_shown: bool) -> tuple[list[Any], list[Any]]:
    """Return what came of each seed by the score itself, and by what a login makes of it."""
    from control_plane.cli.progress import progress_bar
    from control_plane.wiring.identity import login_score
    from policy_engine.domain.risk_evaluation import LENGTHS, replay

    steps, done = 2 * len(seeds) * max(LENGTHS), 0
    with progress_bar("replaying", is_shown=is_shown) as progress:
        def advance() -> None:
            nonlocal done
            done += 1
            progress(done, steps)

        return ([replay(seed, people, advance=advance) for seed in seeds],
                [replay(seed, people, login_score, advance=advance) for seed in seeds])


def _drift(home: Path | None, url: str | None, last: int) -> dict[str, float]:
    from control_plane.cli.risk_explanation import drift_of

    return drift_of(home, url, last)


def _word(index: float) -> str:
    from policy_engine.domain.risk_drift import SHIFTED

    return "shifted: train again" if index >= SHIFTED else "steady" if index < 0.1 else "moving"  # noqa: PLR2004 - PSI's custom
