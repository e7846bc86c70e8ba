"""Where an address is, from a MaxMind DB file (GeoLite2 City and the like); without a file nobody knows."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from identity.domain.people.travel import Place
from shared_kernel.errors import InvalidInputError

_log = structlog.get_logger()


class UnreadablePlacesError(InvalidInputError):
    """The file is there and is no MaxMind DB."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is no MaxMind DB file: set GEOIP_DB to a City database, or leave it out")


class Places:
    """Looks addresses up."""

    def __init__(self, path: Path | None = None) -> None:
        self._reader: maxminddb.Reader | None = None
        if path is None:
            _log.info("impossible_travel_is_off", why="GEOIP_DB names no file")
            return
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, maxminddb.InvalidDatabaseError, ValueError) as cause:
            raise UnreadablePlacesError(path) from cause

    @property
    def is_on(self) -> bool:
        """Whether there is a file to look into."""
        return self._reader is not None

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()

    def find(self, address: str) -> Place | None:
        """Return where the address is, None when nobody knows."""
        if self._reader is None:
            return None
        try:
            found = self._reader.get(ip_address(address))
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None
        return _place(found) if isinstance(found, Mapping) else None


def _place(record: Mapping[str, Any]) -> Place | None:
    location = record.get("location", {})
    if not isinstance(location, Mapping) or not {"latitude", "longitude"} <= location.keys():
        return None
    return Place(float(location["latitude"]), float(location["longitude"]), _name(record, "city"),
                 _name(record, "country"))


def _name(record: Mapping[str, Any], part: str) -> str | None:
    found = record.get(part, {}).get("names", {}).get("en")
    return found if isinstance(found, str) else None
