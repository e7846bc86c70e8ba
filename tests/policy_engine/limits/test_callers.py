"""Tricks of rotation: spellings, mappings and neighbours of an address are one caller."""

import pytest

from policy_engine.domain.limits.callers import address_key, is_this_machine, network_key


@pytest.mark.parametrize("text", [
    "::ffff:203.0.113.9", "::FFFF:203.0.113.9", "::ffff:cb00:7109", "0:0:0:0:0:ffff:203.0.113.9",
    "64:ff9b::203.0.113.9",
    "2002:cb00:7109::1", "2002:cb00:7109:ffff::5",
])
def test_an_ipv4_address_in_ipv6_clothes_is_itself(text: str) -> None:
    assert address_key(text) == address_key("203.0.113.9") == "203.0.113.9/32"


@pytest.mark.parametrize("text", [
    "2001:db8:1:2::1", "2001:0DB8:0001:0002:FFFF:FFFF:FFFF:FFFF", "2001:db8:1:2:0:0:0:7%eth0",
])
def test_a_64_is_one_caller(text: str) -> None:
    assert address_key(text) == "2001:db8:1:2::/64"


def test_the_neighbouring_64_is_another_caller_of_the_same_network() -> None:
    assert address_key("2001:db8:1:3::1") != address_key("2001:db8:1:2::1")
    assert network_key("2001:db8:1:3::1") == network_key("2001:db8:1:2::1") == "2001:db8:1::/48"


@pytest.mark.parametrize("text", ["", "not-an-ip", "3405803785", "0313.0.113.9", "203.0.113.9.", "0x7f.1", "127.1"])
def test_what_is_no_address_is_one_caller_together(text: str) -> None:
    assert address_key(text) == network_key(text) == "unknown"
    assert not is_this_machine(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known_in_every_spelling(text: str) -> None:
    assert is_this_machine(text)
