"""Instances with settings of their own, and a look at something until it is as expected."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import policy_engine
from control_plane.cli.person import Person
from control_plane.demo.instance import Instance
from tests.enterable import enterable

SHIPPED_POLICIES = Path(policy_engine.__file__).parent.parent / "opa_policies"
PATIENCE_S = 15.0


@dataclass(slots=True)
class Configured(Instance):
    """An instance with these environment variables."""

    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment an instance gets, with our variables."""
        return Instance.environment(self) | self.variables


@contextmanager
def configured(home: Path, **variables: str) -> Iterator[Configured]:
    """Run an instance; the embedded server's own user must be able to reach its home."""
    enterable(home.parent)
    with Configured(home, variables=variables) as running:
        yield running


async def signed_in(instance: Instance, name: str) -> Person:
    """Return this demo user, signed in; the caller leaves it open for the rest of the test."""
    person = Person(instance.gateway, user_agent="end-to-end")
    await person.sign_in(name, instance.passwords[name])
    return person


async def until(look: Callable[[], Awaitable[bool]], *, patience_s: float = PATIENCE_S) -> bool:
    """Look every fifth of a second; return whether it came true in time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if await look():
            return True
        await asyncio.sleep(0.2)
    return False
