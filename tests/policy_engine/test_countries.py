"""Countries come from the operator's file or not at all."""

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from policy_engine.adapters.countries import Countries, UnreadableCountriesError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a map of two countries, one of them malformed."""
    writer = MMDBWriter(6, "GeoLite2-Country", languages=["en"], ipv4_compatible=True)
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"country": {"iso_code": "BA"}})
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "not a code"}})
    writer.to_db_file(str(tmp_path / "country.mmdb"))
    return tmp_path / "country.mmdb"


@pytest.mark.parametrize(("address", "country"), [
    ("198.51.100.7", "BA"), ("::ffff:198.51.100.7", "BA"), ("203.0.113.9", None), ("192.0.2.1", None),
    ("nowhere", None), ("", None),
])
def test_an_address_has_the_country_of_the_file_or_none(file: Path, address: str, country: str | None) -> None:
    countries = Countries(file)

    assert countries.find(address) == country
    countries.close()


def test_without_a_file_nobody_guesses() -> None:
    countries = Countries()

    assert not countries.is_on
    assert countries.find("198.51.100.7") is None


def test_a_file_that_is_no_map_stops_the_start_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "x.mmdb").write_bytes(b"not a map")

    with pytest.raises(UnreadableCountriesError, match="set GEOIP_DB"):
        Countries(tmp_path / "x.mmdb")
