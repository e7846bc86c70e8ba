"""The story's steps, in order; each does something real and raises when what must happen does not."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from control_plane.cli.connection import database
from control_plane.cli.person import Person, SignInRefusedError
from control_plane.demo import ledger_row
from control_plane.demo.instance import Instance
from control_plane.demo.narrator import Narrator
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.errors import GridwardenError
from shared_kernel.ids import secret, uuid7

ATTACKER, ATTACKERS_AGENT = "127.66.0.9", "python-requests/2.32"
"""Where and what the attack comes from: another loopback network, so that nobody else's sign-ins are blamed."""
GUESSES = 12
USUAL_REQUESTS = 30
"""What the operator does before the theft, so that there is something usual to differ from."""
PATIENCE_S = 30.0
TAMPERED, CLEAN = 4, (0, 3)


class StepFailedError(GridwardenError):
    """What the story promises did not happen."""


@dataclass(slots=True)
class Story:
    """What the steps share: the instance, who is signed in, and what one step leaves for the next."""

    instance: Instance
    narrator: Narrator
    people: dict[str, Person] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    run_id: str = ""
    refused_request: str = ""
    edited: ledger_row.LedgerRow | None = None

    async def sign_in(self, name: str, *, address: str | None = None, user_agent: str = "gridwarden-demo") -> Person:
        """Sign a demo user in and remember what must never appear in a log."""
        person = Person(self.instance.gateway, address=address, user_agent=user_agent)
        password = self.instance.passwords[name]
        await person.sign_in(name, password)
        self.secrets += [password, person.tokens["access_token"], person.tokens.get("refresh_token", "")]
        return person

    async def until(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever is looked for
        """Look again and again until something is found; raise when patience ends."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if found := await look():
                return found
            await asyncio.sleep(0.2)
        raise StepFailedError(f"{what} did not happen within {PATIENCE_S:g} s")

    async def close(self) -> None:
        """Let go of every connection."""
        for person in self.people.values():
            await person.__aexit__(None, None, None)


async def a_meter_reads(story: Story) -> str:
    """The operator's device sends a reading; it is durable before the answer."""
    operator = story.people["operator"] = await story.sign_in("orhan.operator")
    reading = {
        "event_id": uuid7(), "meter_id": "MTR-0001", "customer_id": "CUS-0001", "reading_kwh": "1204.381",
        "unit": "kWh", "observed_at": to_iso(SystemClock().now_us()), "provenance": "simulated",
    }
    answer = await operator.ask("POST", "/api/v1/ingest/meter", body=reading)
    expect(answer.status_code, 201, "the reading")
    again = await operator.ask("POST", "/api/v1/ingest/meter", body=reading)
    for _ in range(USUAL_REQUESTS):
        expect((await operator.ask("GET", "/api/v1/meters")).status_code, 200, "the list of meters")
    story.narrator.say(f"sent once: {answer.status_code}; sent again: {again.status_code}, no second row")
    story.narrator.say(f"grid page: {story.instance.console}/grid")
    return f"reading accepted, replay answered {again.status_code}"


async def credentials_are_stuffed(story: Story) -> str:
    """Leaked passwords are tried on many accounts from one address; one fits."""
    victim = "vera.viewer"
    names = [f"customer{number:02d}" for number in range(GUESSES)]
    for name in names:
        async with Person(story.instance.gateway, address=ATTACKER, user_agent=ATTACKERS_AGENT) as bot:
            try:
                guess = secret()
                story.secrets.append(guess)
                await bot.sign_in(name, guess)
            except SignInRefusedError:
                continue
            raise StepFailedError(f"{name} was let in with a wrong password")
    story.people["thief"] = await story.sign_in(victim, address=ATTACKER, user_agent=ATTACKERS_AGENT)
    return f"{GUESSES} accounts tried from {ATTACKER}, {victim} opened"


async def the_rule_fires(story: Story) -> str:
    """GR-001 notices."""
    analyst = story.people["soc"] = await story.sign_in("sami.soc")

    async def look() -> dict[str, Any] | None:
        answer = await analyst.ask("GET", "/api/v1/alerts?rule=GR-001")
        return next(iter(answer.json()["items"]), None) if answer.is_success else None

    alert = await story.until("the alert GR-001", look)
    story.narrator.say(f"alert: {story.instance.console}/alerts/{alert['id']}")
    return str(alert["why"])


async def the_playbook_answers(story: Story) -> str:
    """The account is locked, its sessions end, and the thief's token is worth nothing."""
    soc, thief = story.people["soc"], story.people["thief"]

    async def look() -> dict[str, Any] | None:
        answer = await soc.ask("GET", "/api/v1/playbooks/runs")
        runs = [run for run in answer.json()["items"] if run["status"] == "done" and "vera.viewer" in run["targets"]]
        return runs[0] if runs else None

    run = await story.until("the playbook's run", look)
    story.narrator.say(f"run: {story.instance.console}/playbooks/runs/{run['run_id']}")
    answer = await thief.ask("GET", "/api/v1/users/me")
    expect(answer.status_code, 401, "the thief's token after the lock")
    return f"{run['playbook']} done; the thief's token now answers 401"


async def a_stolen_token_is_refused(story: Story) -> str:
    """The operator's token, stolen, asks for RESTRICTED data with a purpose; the operator must sign in again."""
    operator = story.people["operator"]
    own = await operator.ask("GET", "/api/v1/customers", purpose="outage-investigation")
    expect(own.status_code, 200, "RESTRICTED data for the operator")
    async with Person(story.instance.gateway, address=ATTACKER, user_agent=ATTACKERS_AGENT) as thief:
        thief.tokens = operator.tokens
        answer = await thief.ask("GET", "/api/v1/customers", purpose="outage-investigation")
    expect(answer.status_code, 403, "RESTRICTED data for a stolen token")
    story.refused_request = answer.headers["x-request-id"]
    again = await operator.ask("GET", "/api/v1/meters")
    expect(again.status_code, 403, "the same sign-in, now suspect in its owner's hands too")
    operator = story.people["operator"] = await story.sign_in("orhan.operator")
    story.narrator.say("the sign-in is suspect until its owner signs in again, which the owner does")
    explained = await operator.ask("GET", f"/api/v1/decisions/{story.refused_request}")
    expect(explained.status_code, 200, "the explanation")
    reasons = [*explained.json()["reasons"], *explained.json()["risk_reasons"]]
    for reason in reasons:
        story.narrator.say(f"because: {reason}")
    story.narrator.say(f"explained: {story.instance.console}/why/{story.refused_request}")
    return "; ".join(reasons)


async def a_row_is_edited(story: Story) -> str:
    """A database superuser switches the triggers off and turns the refusal into an allow."""
    with database(story.instance.home, None) as url:
        story.edited = await ledger_row.edit_decision(url, request_id=story.refused_request)
    return f"entry {story.edited.seq} now says that the refusal was an allow"


async def verification_names_the_row(story: Story) -> str:
    """The auditor's command finds it."""
    result = verify(story)
    expect(result.returncode, TAMPERED, "the exit code of ledger verify")
    if story.edited is None or str(story.edited.seq) not in result.stdout + result.stderr:
        raise StepFailedError("ledger verify did not name the edited entry")
    for line in result.stdout.strip().splitlines()[:6]:
        story.narrator.say(line)
    return f"exit {result.returncode}, entry {story.edited.seq} named"


async def the_row_is_put_back(story: Story) -> str:
    """The bytes return, and the ledger is clean."""
    with database(story.instance.home, None) as url:
        if story.edited is not None:
            await ledger_row.put_back(url, story.edited)
    result = verify(story)
    if result.returncode not in CLEAN:
        raise StepFailedError(f"ledger verify answers {result.returncode} after the row was put back")
    story.narrator.say(f"ledger page: {story.instance.console}/ledger")
    return f"exit {result.returncode}, nothing found"


def verify(story: Story) -> subprocess.CompletedProcess[str]:
    """Run the auditor's command on this instance's database."""
    return subprocess.run(  # noqa: S603 - our own interpreter and our own words
        story.instance.command("ledger", "verify"), env=story.instance.environment(), capture_output=True, text=True,
        check=False,
    )


def expect(seen: int, wanted: int, what: str) -> None:
    """Raise StepFailedError unless the status is the one the story promises."""
    if seen != wanted:
        raise StepFailedError(f"{what} answered {seen}, not {wanted}")


Step = Callable[[Story], Awaitable[str]]
STEPS: tuple[tuple[str, Step], ...] = (
    ("A meter reads normally", a_meter_reads),
    ("Credential stuffing hits the login", credentials_are_stuffed),
    ("GR-001 fires", the_rule_fires),
    ("The playbook locks the account and revokes its sessions", the_playbook_answers),
    ("A stolen token asks for RESTRICTED data", a_stolen_token_is_refused),
    ("A superuser edits a ledger row", a_row_is_edited),
    ("ledger verify names the row and exits 4", verification_names_the_row),
    ("The row is put back and verify is clean", the_row_is_put_back),
)
