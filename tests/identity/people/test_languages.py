"""Pages in English and Albanian: the same sentences in both, chosen by the reader first."""

import re
from importlib.resources import files
from string import Formatter

import pytest

from identity.domain.languages import LANGUAGES, chosen, of_locale
from identity.http.pages.languages import Languages
from tests.identity.world import World, authorization

KEY = re.compile(r"""\bt\(["']([a-z_]+\.[a-z0-9_]+)["'](?!\s*[~+])""")


def test_both_languages_have_the_same_sentences_with_the_same_places() -> None:
    catalogs = Languages().catalogs

    assert catalogs["en"].keys() == catalogs["sq"].keys()
    for key, sentence in catalogs["en"].items():
        assert _places(sentence) == _places(catalogs["sq"][key]), key


def test_every_sentence_a_template_asks_for_is_written() -> None:
    catalog = Languages().catalogs["en"]
    templates = [each.read_text("utf-8") for each in (files("identity.http") / "templates").iterdir()]

    asked = {key for text in templates for key in KEY.findall(text)}

    assert asked - catalog.keys() == set()
    assert "login.title" in asked


def test_no_template_holds_a_sentence_of_its_own() -> None:
    for each in (files("identity.http") / "templates").iterdir():
        text = re.sub(r"\{[{%].*?[}%]\}|<[^>]*>", " ", each.read_text("utf-8"), flags=re.DOTALL)

        words = set(re.findall(r"[A-Za-z]{3,}", text)) - {"Gridwarden", "English", "Shqip", "UTC"}

        assert words == set(), each.name


def _places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize(("switched", "ui_locales", "accepted", "language"), [
    (None, None, None, "en"),
    (None, None, "sq", "sq"),
    (None, None, "de, sq-AL;q=0.8, en;q=0.9", "en"),
    (None, None, "sq;q=0, en;q=0.1", "en"),
    (None, None, "sq;q=nan, en", "en"),
    (None, None, "*", "en"),
    (None, "fr sq-XK en", "en", "sq"),
    ("en", "sq", "sq", "en"),
    ("xx", "sq", "en", "sq"),
    (None, "", ";;;,,,", "en"),
])
def test_the_readers_switch_comes_first(switched: str | None, ui_locales: str | None, accepted: str | None,
                                        language: str) -> None:
    assert chosen(switched=switched, ui_locales=ui_locales, accepted=accepted) == language


def test_a_locale_claim_names_a_language() -> None:
    assert [of_locale(each) for each in ("sq-AL", "sq_AL", "en", "de", None, 7)] == ["sq", "sq", "en", "en", "en", "en"]


async def test_the_page_speaks_the_language_of_the_application_until_the_reader_switches(world: World) -> None:
    """OIDC Core section 3.1.2.1: ui_locales."""
    async with world.browser() as browser:
        answer = await browser.get("/oauth2/authorize", params=authorization(ui_locales="sq en"))
        albanian = await browser.get(answer.headers["location"])
        switched = await browser.post("/language", data={
            "language": "en", "back": answer.headers["location"].removeprefix("https://id.grid.test")})
        english = await browser.get(switched.headers["location"])

    assert '<html lang="sq">' in albanian.text
    assert "Fjalëkalimi" in albanian.text
    assert albanian.headers["content-language"] == "sq"
    assert switched.status_code == 303
    assert '<html lang="en">' in english.text


@pytest.mark.parametrize("back", [
    "https://evil.test/", "//evil.test", "/\\evil.test", "", "javascript:x", "/\tx", "evil"])
async def test_the_switch_leads_to_no_other_site(world: World, back: str) -> None:
    async with world.browser() as browser:
        answer = await browser.post("/language", data={"language": "sq", "back": back})

    assert answer.headers.get("location", "/login") == "/login"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_put_into_a_sentence_is_escaped(language: str) -> None:
    t = Languages().translate(language)

    assert "<b>" not in t("consent.explained", name="<b>")
    assert "<strong>" in t("consent.explained", name="<b>")
