"""The arithmetic of leases: whatever the clocks and the network do, no two processes decide by two bundles at once."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from policy_engine.domain.lease import DRIFT_PPM, Published, Reading

LEASE = 5_000_000
PUBLISHED = Published(1, "r", "n", 1, 1, "ana", 10_000_000, 10_000_000 + LEASE)


@dataclass(frozen=True)
class World:
    """A clock that began elsewhere and is never quite as fast, and how long messages are under way (microseconds)."""

    offset: int
    rate: int
    there: int
    back: int


trips = st.integers(0, 2_000_000)
worlds = st.builds(World, st.integers(0, 10**12), st.integers(-DRIFT_PPM // 2, DRIFT_PPM // 2), trips, trips)
moments = st.integers(2_000_000, 20_000_000)
delays = st.integers(0, 20_000_000)


def steady(database_us: int, world: World) -> int:
    """Return what a process's clock shows when the database's shows so."""
    return world.offset + database_us * (1_000_000 + world.rate) // 1_000_000


def reading(at: int, world: World) -> Reading:
    """Return what a process learns of a database that looked at its clock then."""
    bundles = (PUBLISHED,) if at >= PUBLISHED.published_at_us else ()
    return Reading(steady(max(at - world.there, 0), world), steady(at + world.back, world), at, LEASE, bundles)


@given(worlds, moments, delays)
def test_the_old_bundle_never_decides_after_the_new_one_s_hour(
        world: World, read_at: int, later: int) -> None:
    known = reading(read_at, world)
    moment = read_at + world.back + later
    now = steady(moment, world)

    decides_by_old = known.is_fresh(now) and known.due(now) == 0 and not known.is_between(now)

    assert not (decides_by_old and moment >= PUBLISHED.active_from_us)


@given(worlds, moments, delays)
def test_the_new_bundle_never_decides_before_its_hour(
        world: World, read_at: int, later: int) -> None:
    known = reading(read_at, world)
    moment = read_at + world.back + later
    now = steady(moment, world)

    assert not (known.due(now) == 1 and moment < PUBLISHED.active_from_us)


@given(worlds, moments, delays)
def test_what_was_certain_stays_so_until_the_moment_it_is_looked_at_again(
        world: World, read_at: int, later: int) -> None:
    known = reading(read_at, world)
    first = steady(read_at + world.back, world)
    until = known.steady_until(first)
    between = min(first + later, until - 1)

    if first < until and not known.is_between(first):
        assert known.is_fresh(between)
        assert known.due(between) == known.due(first)
        assert not known.is_between(between)
