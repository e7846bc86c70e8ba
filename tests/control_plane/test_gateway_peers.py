"""Where a request comes from: only our own proxies are believed, and only up to the first stranger."""

import ipaddress

import pytest

from tests.control_plane.gateway_city import City, ask


async def test_the_rightmost_address_that_is_not_our_proxy_is_the_source() -> None:
    city = City(proxies=(ipaddress.ip_network("10.0.0.0/8"),))

    await ask(city.gateway(), "GET", "/public", peer="::ffff:10.0.0.1", headers=[
        ("X-Forwarded-For", "127.0.0.1, 198.51.100.7"), ("X-Forwarded-For", "::ffff:203.0.113.9, 10.0.0.2"),
    ])

    assert city.contexts[0].source_ip == "203.0.113.9"


async def test_a_strangers_word_about_its_address_and_its_tls_is_not_taken() -> None:
    city = City(proxies=(ipaddress.ip_network("10.0.0.0/8"),))

    told = await ask(city.gateway(), "GET", "/public", peer="203.0.113.9", headers={
        "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https",
    })

    assert city.contexts[0].source_ip == "203.0.113.9"
    assert "strict-transport-security" not in told.headers


@pytest.mark.parametrize("hop", ["2130706433", "0177.0.0.1", "0x7f000001", "unknown", "", "fe80::1%eth0", "1.2.3.4:80"])
async def test_an_unreadable_hop_ends_at_the_last_address_we_know(hop: str) -> None:
    city = City(proxies=(ipaddress.ip_network("10.0.0.0/8"),))

    await ask(city.gateway(), "GET", "/public", peer="10.0.0.1", headers={"X-Forwarded-For": f"{hop}, 10.0.0.2"})

    assert city.contexts[0].source_ip == "10.0.0.2"


async def test_a_trusted_proxy_tells_that_the_outside_is_encrypted() -> None:
    city = City(proxies=(ipaddress.ip_network("10.0.0.0/8"),))

    told = await ask(city.gateway(), "GET", "/public", peer="10.0.0.1", headers={"X-Forwarded-Proto": "https"})

    assert city.scopes[0]["scheme"] == "https"
    assert "strict-transport-security" in told.headers
