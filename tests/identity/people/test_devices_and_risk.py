"""Adaptive login: what the risk model, the device and the journey do to a right password."""

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from identity.adapters.places import Places, UnreadablePlacesError
from tests.identity.people.conftest import Judge
from tests.identity.people.house import DEVICE, SESSION, House
from tests.identity.world import has_parameter

TIRANA, AUCKLAND, DURRES = "192.0.2.7", "198.51.100.9", "203.0.113.5"
FAR = {"X-Test-Address": AUCKLAND}


@pytest.fixture(scope="module")
def map_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of three networks, in the format of GeoLite2 City."""
    writer = MMDBWriter(database_type="GeoLite2-City", languages=["en"], float_type="f64")
    for network, latitude, longitude, city, country in (
            ("192.0.2.0/24", 41.33, 19.82, "Tirana", "Albania"), ("203.0.113.0/24", 41.32, 19.45, "Durres", "Albania"),
            ("198.51.100.0/24", -36.85, 174.76, "Auckland", "New Zealand")):
        writer.insert_network(IPSet([network]), {
            "location": {"latitude": latitude, "longitude": longitude}, "city": {"names": {"en": city}},
            "country": {"names": {"en": country}}})
    writer.insert_network(IPSet(["100.64.0.0/10"]), {"country": {"names": {"en": "Nowhere"}}})
    path = tmp_path_factory.mktemp("map") / "city.mmdb"
    writer.to_db_file(str(path))
    return path


@pytest.fixture
def places(map_file: Path) -> Places:
    """The map of these tests."""
    return Places(map_file)


@pytest.mark.parametrize(("risk", "status"), [
    (0, 303), (39, 303), (40, 403), (79, 403), (80, 403), (100, 403), (RuntimeError(), 403), (101, 403), (-1, 403),
    (None, 403), (True, 403),
])
async def test_risk_passes_steps_up_or_refuses(house: House, judge: Judge, risk: object, status: int) -> None:
    """The design: below 40 passes, a model that fails or babbles never lets in by a password alone (no factor here)."""
    async with house.browser() as browser:
        await house.sign_in(browser)
        browser.cookies.delete(SESSION)
        judge.score = risk

        answer = await house.sign_in(browser)

    assert answer.status_code == status
    assert [event["event"].get("reason") for event in house.recorder.of("user_login")[1:]] == [
        None if status == 303 else "risk"]


@pytest.mark.parametrize(("risk", "is_step"), [(40, True), (79, True), (80, False), (RuntimeError(), True)])
async def test_medium_risk_asks_for_the_factor_and_high_risk_refuses_like_a_wrong_password(
        house: House, judge: Judge, risk: object, is_step: bool) -> None:  # noqa: FBT001 - a table
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        page = await own.get("/login")
        wrong = await house.login(own, page, password="wrong")
        judge.score = risk

        answer = await house.login(own, page)

        if is_step:
            shown = await house.show(own, await house.second_page(own, answer), house.code_of(secret))
            assert shown.status_code == 303
        else:
            assert (answer.status_code, answer.content) == (wrong.status_code, wrong.content)


async def test_a_first_login_is_measured_by_a_milder_rule(house: House, judge: Judge) -> None:
    """A model that knows nobody says *moderate* (40): a new person without a factor could never begin otherwise."""
    judge.score = 40
    async with house.browser() as browser:
        first = await house.sign_in(browser)
        browser.cookies.delete(SESSION)
        second = await house.sign_in(browser)

    assert (first.status_code, second.status_code) == (303, 403)


async def test_the_model_hears_what_the_person_showed(house: House, judge: Judge) -> None:
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))
        heard = len(judge.accepted)

        await house.show(other, page, house.code_of(secret))

    assert heard == 1
    assert judge.accepted[-1] == (house.user.id, TIRANA, "tests", ("mfa", "otp", "pwd"))


async def test_a_new_device_is_told_to_the_person_and_sealed(house: House) -> None:
    await house.verified_address()
    async with house.browser() as own, house.browser() as other:
        await house.sign_in(own)
        first = list(house.recorder.of("new_device"))
        await house.sign_in(other)
        again = await house.sign_in(other, name="alice") if SESSION not in other.cookies else None

    assert first == []
    assert again is None
    assert len(house.recorder.of("new_device")) == 1
    mail = (await house.mails("new_device"))[0]
    assert (mail["address"], mail["place"], mail["browser"]) == (TIRANA, "Tirana, Albania", "tests")


async def test_an_impossible_journey_steps_up_and_is_told(house: House) -> None:
    await house.verified_address()
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)

        page = await house.second_page(own, await house.sign_in(own, **FAR), **FAR)
        answer = await house.show(own, page, house.code_of(secret), **FAR)

    assert answer.status_code == 303
    assert "impossible_travel" in house.recorder.of("step_up")[-1]["event"]["reason"]
    assert len(house.recorder.of("impossible_travel")) == 1
    assert (await house.mails("impossible_travel"))[0]["place"] == "Auckland, New Zealand"


@pytest.mark.parametrize(("address", "hours", "is_asked"), [
    (AUCKLAND, 1, True), (AUCKLAND, 19, True), (AUCKLAND, 24, False), (DURRES, 0, False), ("100.64.0.1", 0, False),
    ("8.8.8.8", 0, False), ("not an address", 0, False),
])
async def test_speed_is_what_counts(house: House, address: str, hours: int, is_asked: bool) -> None:  # noqa: FBT001 - a table
    """Tirana to Auckland are 17,660 km: 19.6 hours at 900 km/h."""
    async with house.browser() as own:
        await house.with_app(own)
        own.cookies.delete(SESSION)
        house.clock.advance(hours * 3_600)

        answer = await house.sign_in(own, **{"X-Test-Address": address})

    assert ("/login/factor?" in answer.headers["location"]) is is_asked


async def test_a_planted_device_cookie_makes_nobody_known(house: House) -> None:
    """Whoever plants a device cookie in a victim's browser must not be known as the victim afterwards."""
    await house.provider.create_user("mallory", "mallory has a long phrase", roles=frozenset())
    async with house.browser() as attacker, house.browser() as victim:
        await house.sign_in(attacker, name="mallory", password="mallory has a long phrase")
        planted = attacker.cookies[DEVICE]
        victim.cookies.set(DEVICE, planted, domain="id.grid.test")
        await house.with_app(victim)
        attacker.cookies.delete(SESSION)

        answer = await house.sign_in(attacker)

    assert planted not in {cookie.value for cookie in victim.cookies.jar}
    assert "/login/factor?" in answer.headers["location"]


async def test_two_people_share_a_browser_and_both_stay_known(house: House) -> None:
    await house.provider.create_user("bob", "bob has a long phrase", roles=frozenset())
    async with house.browser() as shared:
        await house.sign_in(shared)
        shared.cookies.delete(SESSION)
        await house.sign_in(shared, name="bob", password="bob has a long phrase")
        shared.cookies.delete(SESSION)
        await house.sign_in(shared)

    assert house.recorder.of("new_device") == []
    assert await house.pool.fetchval("SELECT count(*) FROM identity.devices") == 2


async def test_strangers_cannot_lock_a_person_out_of_a_known_device(house: House) -> None:
    """Lockout is never a lever: the known device has its own count, even behind the same address."""
    async with house.browser() as own, house.browser() as guesser:
        await house.sign_in(own)
        own.cookies.delete(SESSION)
        page = await guesser.get("/login")
        for number in range(12):
            await house.login(guesser, page, password=f"guess {number}")

        stranger, owner = await house.login(guesser, page), await house.sign_in(own)

    assert (stranger.status_code, owner.status_code) == (403, 303)


async def test_a_stolen_device_cookie_has_ten_guesses(house: House) -> None:
    async with house.browser() as own:
        await house.sign_in(own)
        own.cookies.delete(SESSION)
        page = await own.get("/login")
        for number in range(11):
            await house.login(own, page, password=f"guess {number}", **{"X-Test-Address": f"203.0.113.{number}"})

        answer = await house.login(own, page)

    assert answer.status_code == 403


async def test_a_login_does_not_need_the_model_or_the_map(house: House) -> None:
    async with house.browser() as browser:
        answer = await house.login(browser, await house.page(browser))

    assert has_parameter(answer, "code")


def test_a_file_that_is_no_map_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"
    path.write_bytes(b"no map")

    for wrong in (path, tmp_path / "missing.mmdb"):
        with pytest.raises(UnreadablePlacesError, match="GEOIP_DB"):
            Places(wrong)


def test_without_a_file_nobody_knows_where_an_address_is() -> None:
    places = Places()

    assert not places.is_on
    assert places.find(TIRANA) is None
