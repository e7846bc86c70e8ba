"""Which country an address is in, from the operator's MaxMind DB file; without one nobody knows, and nobody guesses."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import maxminddb

from shared_kernel.errors import InvalidInputError

_CODE_LENGTH = 2


class UnreadableCountriesError(InvalidInputError):
    """The file is there and is no MaxMind DB."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is no MaxMind DB file: set GEOIP_DB to a City or Country database, or leave it "
                         "out")


class Countries:
    """Looks countries up; an address is looked up once."""

    def __init__(self, path: Path | None = None) -> None:
        self._reader: maxminddb.Reader | None = None
        self.find = lru_cache(maxsize=16_384)(self._find)
        if path is None:
            return
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, maxminddb.InvalidDatabaseError, ValueError) as cause:
            raise UnreadableCountriesError(path) from cause

    @property
    def is_on(self) -> bool:
        """Whether there is a file to look into."""
        return self._reader is not None

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _find(self, source_ip: str) -> str | None:
        """Return the ISO code, None when the file does not say."""
        if self._reader is None:
            return None
        try:
            address = ip_address(source_ip)
            if isinstance(address, IPv6Address) and address.ipv4_mapped:
                address = address.ipv4_mapped
            found = self._reader.get(address)
        except (ValueError, TypeError, maxminddb.InvalidDatabaseError):
            return None
        country = found.get("country") if isinstance(found, Mapping) else None
        code = country.get("iso_code") if isinstance(country, Mapping) else None
        return code if isinstance(code, str) and len(code) == _CODE_LENGTH and code.isalpha() else None
