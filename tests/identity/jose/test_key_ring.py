"""The law of rotation: whoever signs, whenever, everybody who must verify knows the key.

Two processes look at the shared keys at most PICKUP_S apart, operators rotate whenever they like, clients cache the key
set as long as we let them; tokens live as long as the longest.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import JWKS_MAX_AGE_S, PICKUP_S, SETTLING_S, KeyRing, KeyRings
from shared_kernel.errors import ConflictError

STEP_S = PICKUP_S // 2
LONGEST_S = 600


@dataclass
class City:
    """Shared keys, two processes that look at them, and what happened."""

    shared: KeyRing = field(default_factory=lambda: KeyRing.generate(0))
    now_s: int = 0
    views: list[KeyRing] = field(default_factory=list)
    published: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    tokens: list[tuple[int, str]] = field(default_factory=list)
    rotations: int = 0

    def step(self, *, rotates: bool, late: int) -> None:
        """Let time pass; the process `late` looks only at every second step."""
        self.now_s += STEP_S
        if rotates:
            try:
                self.shared = self.shared.rotated(self.now_s * 1_000_000)
                self.rotations += 1
            except ConflictError:
                pass
        even = self.now_s // STEP_S % 2 == 0
        for process in range(2):
            if process != late or even:
                self.views[process] = self.shared
        for view in self.views:
            self.published.append((self.now_s, frozenset(key.kid for key in view.published())))
            self.tokens.append((self.now_s, view.current.kid))

    def check(self) -> None:
        """Check the tokens that live against the processes, and the newest against every cache."""
        for issued_s, kid in self.tokens:
            if self.now_s - issued_s <= LONGEST_S:
                assert all(view.find(kid) for view in self.views), "a live token's key is forgotten"
        for _, kid in self.tokens[-2:]:
            for fetched_s, kids in self.published:
                if self.now_s - fetched_s < JWKS_MAX_AGE_S:
                    assert kid in kids, "a client with a cached set meets an unknown key"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1)), min_size=40, max_size=120))
def test_no_verifier_ever_meets_an_unknown_key(steps: list[tuple[bool, int]]) -> None:
    city = City()
    city.views = [city.shared, city.shared]
    for rotates, late in steps:
        city.step(rotates=rotates, late=late)
        city.check()


def test_rotations_as_often_as_allowed_happen() -> None:
    """The law is not kept by never rotating."""
    city = City()
    city.views = [city.shared, city.shared]
    for _ in range(10 * SETTLING_S // STEP_S):
        city.step(rotates=True, late=1)
        city.check()
    assert city.rotations == 10


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["ES256", "EdDSA"]), max_size=8))
def test_rings_rotate_each_for_itself(order: list[str]) -> None:
    rings, now_us = KeyRings.generate(0, ["ES256", "EdDSA"]), 0
    for name in order:
        now_us += SETTLING_S * 1_000_000
        before, rings = rings, rings.rotated(now_us, [name])
        for other in ("ES256", "EdDSA"):
            same = rings.rings[other] == before.rings[other]
            assert same is (other != name)
        assert rings.find(before.rings[name].current.kid) == rings.rings[name].previous
    assert rings.missing == ("RS256", "PS256")
    assert set(rings.rings) | set(rings.missing) == set(ALGORITHMS)
