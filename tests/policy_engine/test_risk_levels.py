"""What risk sees of a request, however oddly it is written."""

import pytest

from policy_engine.domain.history import History
from policy_engine.domain.risk import RiskFeatures, score, values_of
from policy_engine.domain.risk_levels import STORED, UnreadableFeaturesError
from policy_engine.domain.risk_likelihood import ACTION, AGENT, PLACE, suspicion
from policy_engine.domain.user_agents import device, family, system

NINE_US = 9 * 3_600_000_000
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
EDGE = CHROME + " Edg/140.0"
FIREFOX_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def _asked(
    source_ip: str = "198.51.100.7", agent: str = CHROME, action: str = "", subject: str = "ana",
) -> RiskFeatures:
    return RiskFeatures(subject, source_ip, agent, NINE_US, action)


def _known(*asked: RiskFeatures, country: str | None = None) -> History:
    history = History()
    for one in asked:
        history.add(values_of(one, country))
    return history


@pytest.mark.parametrize(("written", "address"), [
    ("::ffff:198.51.100.7", "198.51.100.7"), ("::ffff:c633:6407", "198.51.100.7"), ("fe80::1%eth0", "fe80::1"),
    ("2001:0DB8:0:0::1", "2001:db8::1"),
])
def test_an_address_has_one_spelling(written: str, address: str) -> None:
    assert values_of(_asked(written))["address"] == address


@pytest.mark.parametrize("written", [
    "0xC6336407", "3325256711", "198.51.100.07", "198.51.100", "localhost", "::1::", "1.2.3.4\n",
])
def test_an_address_in_no_spelling_of_the_standard_is_the_highest_risk(written: str) -> None:
    assert score(_asked(written), History(), History()).value == 100


def test_an_address_backs_off_to_subnet_and_network_of_its_version() -> None:
    four, six = values_of(_asked()), values_of(_asked("2001:db8:1:2::3"))

    assert (four["subnet"], four["network"]) == ("198.51.100.0/24", "198.51.0.0/16")
    assert (six["subnet"], six["network"]) == ("2001:db8:1:2::/64", "2001:db8:1::/48")


@pytest.mark.parametrize(("agent", "wanted"), [
    (CHROME, ("Chrome on Windows", "Windows", "a computer")),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18 Safari/6", ("Safari on iOS", "iOS", "a phone")),
    ("Mozilla/5.0 (Linux; Android 15; K) Chrome/140 Mobile Safari/537", ("Chrome on Android", "Android", "a phone")),
    ("Mozilla/5.0 (Linux; Android 15; SM-X) Chrome/140 Safari/537", ("Chrome on Android", "Android", "a tablet")),
    ("curl/8.5", ("curl", "no system", "a program")), ("", ("no user agent", "no system", "a program")),
])
def test_an_agent_backs_off_to_browser_system_and_device(agent: str, wanted: tuple[str, str, str]) -> None:
    assert (family(agent), system(agent), device(agent)) == wanted


@pytest.mark.parametrize("agent", ["bad\x00agent/1", "\ud800lone", "\u202eevil/2", "\x1b[31mred", "ünïcödé/1"])
def test_what_an_agent_leaves_in_the_database_can_be_printed_and_stored(agent: str) -> None:
    values = values_of(_asked(agent=agent))

    assert all(value.isprintable() for value in values.values())
    assert "\x00" not in "".join(values.values()).encode().decode()


def test_endless_agents_are_told_apart_and_not_remembered_whole() -> None:
    first, second = (values_of(_asked(agent="x" * 16_000 + end)) for end in "ab")

    assert first["agent"] != second["agent"]
    assert len(first["agent"]) == 16


@pytest.mark.parametrize("subject", ["a\x00b", "a\nb", "x" * 257])
def test_a_subject_that_could_not_be_stored_is_unreadable(subject: str) -> None:
    with pytest.raises(UnreadableFeaturesError):
        values_of(_asked(subject=subject))


def test_every_value_belongs_to_a_level_that_is_stored() -> None:
    assert set(values_of(_asked(action="meters.read"), "BA")) == set(STORED)


def test_without_a_country_its_level_says_nothing() -> None:
    assert "country" not in values_of(_asked())


def test_another_network_of_the_known_country_costs_less_than_another_country() -> None:
    own = _known(*[_asked()] * 30, country="BA")

    home = suspicion(values_of(_asked("203.0.113.9"), "BA"), own, own)["place"]
    abroad = suspicion(values_of(_asked("203.0.113.9"), "VN"), own, own)["place"]

    assert 0 < home < abroad


def test_the_country_is_in_the_reasons() -> None:
    own = _known(*[_asked()] * 30, country="BA")

    abroad = score(_asked("203.0.113.9"), own, own, country="VN").reasons
    at_home = score(_asked("203.0.113.9"), own, own, country="BA").reasons

    assert "the network 203.0.0.0/16 is new for this subject, so is VN" in abroad
    assert "the network 203.0.0.0/16 is new for this subject, in the known country BA" in at_home


def test_each_step_away_from_the_usual_agent_costs_more() -> None:
    own = _known(*[_asked()] * 30)
    steps = [CHROME, CHROME.replace("140.0", "141.0"), EDGE, FIREFOX_LINUX, "curl/8"]

    costs = [suspicion(values_of(_asked(agent=agent)), own, own)["agent"] for agent in steps]

    assert costs == sorted(costs)
    assert costs[0] < costs[1] < costs[2] < costs[3] < costs[4]


def test_what_a_subject_usually_does_speaks_for_it_and_the_rest_mildly_against() -> None:
    own = _known(*[_asked(action="meters.read")] * 30)
    everyone = _known(*[_asked(action="meters.read")] * 60, *[_asked(action="ledger.read")] * 60)

    usual = score(_asked(action="meters.read"), own, everyone)
    other = score(_asked(action="ledger.read"), own, everyone)

    assert usual.value < other.value < 40
    assert "ledger.read is not what this subject usually does" in other.reasons


def test_logins_without_an_action_do_not_make_actions_unusual() -> None:
    own = _known(*[_asked()] * 30)

    assert "action" not in score(_asked(action="meters.read"), own, own).unusual


def test_an_office_that_everybody_shares_still_speaks_for_its_people() -> None:
    own, everyone = _known(*[_asked()] * 40), _known(*[_asked()] * 400)

    assert suspicion(values_of(_asked()), own, everyone)["place"] < -1


@pytest.mark.parametrize("feature", [PLACE, AGENT, ACTION], ids=["place", "agent", "action"])
def test_the_weights_of_a_feature_are_distributions_and_coarser_matches_prove_less(feature: object) -> None:
    levels = feature.levels  # type: ignore[attr-defined]
    ratios = [level.kept_by_intruder / level.kept_by_subject for level in levels]
    new = feature.new_for_intruder / feature.new_for_subject  # type: ignore[attr-defined]

    assert sum(level.kept_by_subject for level in levels) + feature.new_for_subject == pytest.approx(1)  # type: ignore[attr-defined]
    assert sum(level.kept_by_intruder for level in levels) + feature.new_for_intruder == pytest.approx(1)  # type: ignore[attr-defined]
    assert [*ratios, new] == sorted([*ratios, new])
