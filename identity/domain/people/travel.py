"""Whether somebody can have got from one login to the next.

    d = 2 R asin sqrt( sin^2(dlat/2) + cos(lat1) cos(lat2) sin^2(dlon/2) ),        R = 6,371 km

Faster than 900 km/h, an airliner, is impossible. Nearer than 200 km nothing is said: places of addresses are rough.
"""

import math
from dataclasses import dataclass

MAX_SPEED_KMH = 900
MIN_DISTANCE_KM = 200
_EARTH_KM = 6_371
_US_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is, in degrees, with the names people know it by."""

    latitude: float
    longitude: float
    city: str | None = None
    country: str | None = None

    @property
    def name(self) -> str:
        """The place in words."""
        return ", ".join(part for part in (self.city, self.country) if part) or "?"


def distance_km(one: Place, other: Place) -> float:
    """Return the length of the great circle between two places."""
    lat1, lat2 = math.radians(one.latitude), math.radians(other.latitude)
    dlat, dlon = lat2 - lat1, math.radians(other.longitude - one.longitude)
    chord = math.sin(dlat / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))


def is_impossible(before: Place | None, before_us: int, now: Place | None, now_us: int) -> bool:
    """Whether nobody can have travelled from one place to the other in that time; an unknown place says nothing."""
    if before is None or now is None:
        return False
    far_km = distance_km(before, now)
    return far_km >= MIN_DISTANCE_KM and far_km * _US_PER_HOUR > MAX_SPEED_KMH * max(0, now_us - before_us)
