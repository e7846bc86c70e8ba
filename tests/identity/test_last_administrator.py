"""Somebody can always administer: the last active administrator is neither locked nor demoted."""

import asyncio

import pytest

from identity.service import LastAdministratorError
from tests.identity.world import World

ADMIN, NOBODY = frozenset({"admin"}), frozenset({"grid_viewer"})


async def _administrator(world: World, name: str) -> str:
    return (await world.provider.create_user(name, "a-long-enough-pass-phrase", roles=ADMIN)).id


async def test_the_last_administrator_is_not_locked(world: World) -> None:
    only = await _administrator(world, "root.one")

    with pytest.raises(LastAdministratorError, match="make somebody else"):
        await world.provider.lock_account(only, reason="test", by="test")


async def test_the_last_administrator_is_not_demoted(world: World) -> None:
    only = await _administrator(world, "root.one")

    with pytest.raises(LastAdministratorError):
        await world.provider.set_roles(only, NOBODY, by="test")


async def test_a_locked_administrator_does_not_count(world: World) -> None:
    first, second = await _administrator(world, "root.one"), await _administrator(world, "root.two")
    await world.provider.lock_account(second, reason="test", by="test")

    with pytest.raises(LastAdministratorError):
        await world.provider.lock_account(first, reason="test", by="test")


async def test_two_administrators_cannot_lock_each_other_at_once(world: World) -> None:
    both = [await _administrator(world, name) for name in ("root.one", "root.two")]

    outcomes = await asyncio.gather(
        *(world.provider.lock_account(one, reason="test", by="test") for one in both), return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes].count(LastAdministratorError) == 1
