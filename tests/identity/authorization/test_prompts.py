"""Who must log in, again, more surely, as somebody else, or not at all."""

import pytest

from identity.domain.people.assurance import MFA, PASSWORD, PHISHING_RESISTANT
from tests.identity.authorization.kit import (
    answered,
    as_json,
    asking,
    decide,
    finish,
    is_page,
    logged_in,
    register,
    told,
    visit,
)
from tests.identity.world import PASSWORD as SECRET
from tests.identity.world import World, authorization, hidden


async def id_token(world: World) -> str:
    """Return an ID token of alice's for `app`."""
    return str((await world.tokens())["id_token"])


async def grow(world: World, acr: str) -> None:
    """Let every session be of that class, as if a second factor had been used."""
    await world.pool.execute("UPDATE identity.sessions SET acr = $1", acr)


@pytest.mark.parametrize("changes", [
    {"prompt": "none"}, {"prompt": "none", "max_age": "0"}, {"prompt": "none", "acr_values": MFA},
    {"prompt": "none", "claims": as_json({"id_token": {"sub": {"value": "somebody"}}})},
])
async def test_prompt_none_never_shows_a_page(world: World, changes: dict[str, str]) -> None:
    """OIDC Core section 3.1.2.1 and 3.1.2.6: login_required, with and without a session."""
    async with world.browser() as browser:
        before = await visit(browser, **authorization(**changes))
        await logged_in(world, browser)
        after = await visit(browser, **authorization(**changes))

    assert told(before) == "login_required"
    assert ("code" in answered(after)) if changes == {"prompt": "none"} else told(after) == "login_required"


async def test_prompt_none_and_a_consent_that_is_due(world: World) -> None:
    """OIDC Core section 3.1.2.6: consent_required."""
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, **asking("third", prompt="none"))

    assert told(answer) == "consent_required"


@pytest.mark.parametrize("prompt", ["none login", "none consent", "login none select_account", "create", "LOGIN"])
async def test_an_illegal_prompt_is_refused(world: World, prompt: str) -> None:
    """OIDC Core section 3.1.2.1: none stands alone; the values are case sensitive."""
    assert told(await world.get("/oauth2/authorize", params=authorization(prompt=prompt))) == "invalid_request"


async def test_prompt_login_and_consent_come_one_after_the_other(world: World) -> None:
    """OIDC Core section 3.1.2.1: a list means all of them; our own application asks too when told to."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        login = await visit(browser, **authorization(prompt="login consent"))
        world.clock.advance(1)
        consent = await world.login(browser, await browser.get(login.headers["location"]))
        page = await browser.get(consent.headers["location"])

        answer = await decide(browser, page)

    assert login.headers["location"].startswith("/login?")
    assert "part of Gridwarden" in page.text
    assert "code" in answered(answer)


async def test_prompt_consent_asks_although_it_was_allowed_before(world: World) -> None:
    async with world.browser() as browser:
        await finish(world, browser, await visit(browser, **asking("third")))

        again = await visit(browser, **asking("third"))
        asked = await visit(browser, **asking("third", prompt="consent"))

    assert "code" in answered(again)
    assert asked.headers["location"].startswith("/consent?")


async def test_an_account_is_chosen_and_the_request_goes_on(world: World) -> None:
    """OIDC Core section 3.1.2.1: prompt=select_account."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        asked = await visit(browser, **authorization(prompt="select_account"))
        page = await browser.get(asked.headers["location"])

        answer = await browser.post("/select-account", data={"interaction": hidden(page.text), "account": "this"})

    assert "Continue as alice" in page.text
    assert "code" in answered(answer)


async def test_another_account_logs_in(world: World) -> None:
    await world.provider.create_user("bella", SECRET, roles=frozenset())
    async with world.browser() as browser:
        await logged_in(world, browser)
        asked = await visit(browser, **authorization(prompt="select_account"))
        page = await browser.get(asked.headers["location"])
        login = await browser.post("/select-account", data={"interaction": hidden(page.text), "account": "another"})
        world.clock.advance(1)

        answer = await world.login(browser, await browser.get(login.headers["location"]), name="bella")

    assert "code" in answered(answer)
    assert await world.pool.fetchval("SELECT u.name FROM identity.grants g JOIN identity.users u ON u.id = g.user_id "
                                     "ORDER BY g.created_at_us DESC LIMIT 1") == "bella"


async def test_an_account_is_chosen_once_before_consent(world: World) -> None:
    async with world.browser() as browser:
        await logged_in(world, browser)
        asked = await visit(browser, **asking("third", prompt="select_account"))
        page = await browser.get(asked.headers["location"])
        chosen = await browser.post("/select-account", data={"interaction": hidden(page.text), "account": "this"})
        consent = await browser.get(chosen.headers["location"])

        answer = await decide(browser, consent)

    assert chosen.headers["location"].startswith("/consent?")
    assert "code" in answered(answer)


async def test_somebody_without_a_session_logs_in_and_need_not_choose(world: World) -> None:
    async with world.browser() as browser:
        answer = await finish(world, browser, await visit(browser, **authorization(prompt="select_account")))

    assert "code" in answered(answer)


@pytest.mark.parametrize("page", ["/consent", "/select-account"])
async def test_a_page_without_its_seal_is_not_shown(world: World, page: str) -> None:
    """CSRF: the seal is the token."""
    async with world.browser() as browser:
        shown = await browser.get(page)
        sent = await browser.post(page, data={"decision": "allow", "account": "this"})

    assert is_page(shown, 403)
    assert is_page(sent, 403)


async def test_a_choice_of_another_browser_is_refused(world: World) -> None:
    async with world.browser() as mallory, world.browser() as alice:
        await logged_in(world, mallory)
        asked = await visit(mallory, **authorization(prompt="select_account"))
        form = {"interaction": hidden((await mallory.get(asked.headers["location"])).text), "account": "this"}
        await logged_in(world, alice)

        answer = await alice.post("/select-account", data=form)

    assert is_page(answer, 403)


async def test_the_clients_own_max_age_counts(world: World) -> None:
    """OIDC Registration section 2: default_max_age."""
    await register(world, "careful", default_max_age_s=10)
    async with world.browser() as browser:
        await logged_in(world, browser)
        soon = await visit(browser, **asking("careful"))
        world.clock.advance(20)

        late = await visit(browser, **asking("careful"))
        said = await visit(browser, **asking("careful", max_age="1000"))

    assert "code" in answered(soon)
    assert late.headers["location"].startswith("/login?")
    assert "code" in answered(said)


async def test_a_login_for_max_age_answers_it_once(world: World) -> None:
    """OIDC Core section 3.1.2.1: max_age=0 is prompt=login, and no endless loop."""
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await finish(world, browser, await visit(browser, **authorization(max_age="0")))

    assert "code" in answered(answer)


async def test_the_hinted_person_passes_in_silence(world: World) -> None:
    """OIDC Core section 3.1.2.1: id_token_hint, expired or not."""
    hint = await id_token(world)
    world.clock.advance(3_600)
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, **authorization(prompt="none", id_token_hint=hint))

    assert "code" in answered(answer)


async def test_another_person_than_the_hinted_is_asked_to_log_in(world: World) -> None:
    """OIDC Core section 3.1.2.1 and 3.1.2.3: asks, and with prompt=none says login_required."""
    hint = await id_token(world)
    await world.provider.create_user("bella", SECRET, roles=frozenset())
    async with world.browser() as browser:
        await world.login(browser, await browser.get("/login"), name="bella")
        world.clock.advance(1)
        silent = await visit(browser, **authorization(prompt="none", id_token_hint=hint))
        asked = await visit(browser, **authorization(id_token_hint=hint))
        world.clock.advance(1)

        stubborn = await world.login(browser, await browser.get(asked.headers["location"]), name="bella")
        asked = await visit(browser, **authorization(id_token_hint=hint))
        world.clock.advance(1)
        right = await world.login(browser, await browser.get(asked.headers["location"]))

    assert told(silent) == "login_required"
    assert asked.headers["location"].startswith("/login?")
    assert told(stubborn) == "login_required"
    assert "code" in answered(right)


async def test_a_hint_that_is_not_ours_is_refused(world: World) -> None:
    """OIDC Core section 3.1.2.2: forged, another client's, or no ID token at all."""
    hint = await id_token(world)
    access_token = (await world.tokens())["access_token"]
    await register(world, "other")

    answers = [await world.get("/oauth2/authorize", params=parameters) for parameters in (
        authorization(id_token_hint=f"{hint[:-6]}AAAAAA"), asking("other", id_token_hint=hint),
        authorization(id_token_hint=access_token), authorization(id_token_hint="x"))]

    assert {told(answer) for answer in answers} == {"invalid_request"}


async def test_a_subject_asked_for_by_name_is_the_only_one(world: World) -> None:
    """OIDC Core section 5.5.1: `sub` with a value."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        right, wrong = [await visit(browser, **authorization(
            prompt="none", claims=as_json({"id_token": {"sub": {"value": value}}})))
            for value in (world.user.id, "somebody")]

    assert "code" in answered(right)
    assert told(wrong) == "login_required"


async def test_the_login_page_gets_the_hint_and_the_language(world: World) -> None:
    """OIDC Core section 3.1.2.1: login_hint, ui_locales, also when the request is signed or pushed."""
    async with world.browser() as browser:
        answer = await visit(browser, **authorization(login_hint="alice", ui_locales="sq fr"))
        page = await browser.get(answer.headers["location"])

    assert '<html lang="sq">' in page.text
    assert 'value="alice"' in page.text


@pytest.mark.parametrize("changes", [
    {"acr_values": MFA}, {"acr_values": f"urn:other {MFA}"},
    {"claims": as_json({"id_token": {"acr": {"essential": True, "values": [MFA, PHISHING_RESISTANT]}}})},
    {"claims": as_json({"id_token": {"acr": {"value": MFA}}})},
])
async def test_a_weak_session_steps_up_and_a_strong_one_passes(world: World, changes: dict[str, str]) -> None:
    """RFC 9470 section 4: the code is only given for a session that meets the class."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        weak = await visit(browser, **authorization(**changes))
        await grow(world, MFA)

        strong = await visit(browser, **authorization(**changes))

    assert weak.headers["location"].startswith("/login?")
    assert "code" in answered(strong)


async def test_a_person_who_cannot_step_up_is_no_endless_loop(world: World) -> None:
    """RFC 9470 section 5, OpenID Unmet Authentication Requirements: the client is told."""
    async with world.browser() as browser:
        login = await visit(browser, **authorization(acr_values=PHISHING_RESISTANT))
        page = await browser.get(login.headers["location"])
        world.clock.advance(1)

        answer = await world.login(browser, page)

    assert told(answer) == "unmet_authentication_requirements"


@pytest.mark.parametrize("changes", [
    {"acr_values": "1 2"}, {"acr_values": PASSWORD}, {"claims": as_json({"id_token": {"acr": None}})},
    {"claims": as_json({"id_token": {"acr": {"values": ["1"]}}})},
    {"claims": as_json({"id_token": {"acr": {"essential": True}}})},
])
async def test_a_voluntary_class_we_do_not_know_hinders_nobody(world: World, changes: dict[str, str]) -> None:
    """OIDC Core section 3.1.2.1: acr_values is a voluntary claim."""
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, **authorization(**changes))

    assert "code" in answered(answer)


async def test_an_essential_class_we_do_not_know_is_unmet(world: World) -> None:
    """OIDC Core section 5.5.1.1."""
    claims = as_json({"id_token": {"acr": {"essential": True, "values": ["urn:mace:gold"]}}})

    answer = await world.get("/oauth2/authorize", params=authorization(claims=claims))

    assert told(answer) == "unmet_authentication_requirements"


async def test_the_clients_default_class_counts(world: World) -> None:
    """OIDC Registration section 2: default_acr_values."""
    await register(world, "strict", default_acr_values=(MFA,))
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, **asking("strict"))

    assert answer.headers["location"].startswith("/login?")


async def test_how_the_person_authenticated_goes_with_the_grant(world: World) -> None:
    async with world.browser() as browser:
        await logged_in(world, browser)
        await grow(world, MFA)
        await visit(browser, **authorization())

    terms = await world.pool.fetchval("SELECT terms::text FROM identity.grants ORDER BY created_at_us DESC LIMIT 1")
    assert f'"acr": "{MFA}"' in terms
    assert '"amr": ["pwd"]' in terms


async def test_half_a_login_is_nobody_at_the_endpoint(world: World) -> None:
    """The design: a half-authenticated session at /authorize; it has a step's cookie and no session."""
    async with world.browser() as browser:
        await visit(browser, **authorization())
        browser.cookies.set("__Host-gw_step", f"gw_step_{'0' * 32}.{'A' * 43}", domain="id.grid.test")
        browser.cookies.set("__Host-gw_session", f"gw_step_{'0' * 32}.{'A' * 43}", domain="id.grid.test")

        answer = await visit(browser, **authorization(prompt="none"))

    assert told(answer) == "login_required"
