"""Mail over a real SMTP server: nothing is lost, nothing is said in clear, nothing can be smuggled in."""

import asyncio
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from identity.adapters.letters import Letters
from identity.adapters.smtp import MailServerDownError, Smtp, SmtpServer, SmtpUrlError
from identity.domain.languages import LANGUAGES
from identity.domain.people.mails import RETRIES_US, TEMPLATES, Mail, MailRefusedError
from identity.service.people.mailing import LEASE_US, Mailing
from identity.store.database import Database
from shared_kernel.errors import UnavailableError
from tests.identity.people.mail_server import NAME, SECRET, WITH_ACCOUNTS, Keeper, certificate, serving
from tests.identity.people.town import Town

SENDER = "noreply@grid.test"
MAIL = Mail("0198-id", "u-1", "ada@grid.test", "reset_password", "en",
            {"name": "ada", "issuer": "https://id.grid.test", "link": "https://id.grid.test/reset-password?token=x&y=z"},
            1_795_000_000_000_000)


def _smtp(url: str, ca: Path | None = None, deadline_s: float = 20) -> Smtp:
    return Smtp(SmtpServer.from_url(url), sender=SENDER, ca=ca, deadline_s=deadline_s)


def _text(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


async def test_a_mail_arrives_with_both_parts() -> None:
    keeper = Keeper()
    async with serving(keeper) as port:
        await _smtp(f"smtp://127.0.0.1:{port}").send(MAIL)

    message = keeper.messages[0]
    assert message["Subject"] == "Set a new password"
    assert message["From"] == f"Gridwarden <{SENDER}>"
    assert (message["To"], message["X-Recipients"]) == ("ada@grid.test", "ada@grid.test")
    assert message["Message-ID"] == "<0198-id@grid.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "token=x&y=z" in _text(message, "plain")
    assert 'href="https://id.grid.test/reset-password?token=x&amp;y=z"' in _text(message, "html")


async def test_a_mail_speaks_albanian() -> None:
    keeper = Keeper()
    async with serving(keeper) as port:
        await _smtp(f"smtp://127.0.0.1:{port}").send(replace(MAIL, language="sq"))

    assert keeper.messages[0]["Subject"] == "Vendosni një fjalëkalim të ri"
    assert "Përshëndetje ada" in _text(keeper.messages[0], "plain")
    assert keeper.messages[0]["Content-Language"] == "sq"


@pytest.mark.parametrize("is_implicit", [False, True])
async def test_tls_and_a_password_are_used(tmp_path: Path, *, is_implicit: bool) -> None:
    """RFC 3207 STARTTLS, RFC 8314 implicit TLS, RFC 4954 AUTH."""
    keeper, (tls, ca) = Keeper(), certificate(tmp_path)
    options = {**WITH_ACCOUNTS, "require_starttls": not is_implicit,
               "auth_require_tls": not is_implicit}
    async with serving(keeper, tls=tls, is_implicit=is_implicit, options=options) as port:
        scheme = "smtps" if is_implicit else "smtp"
        await _smtp(f"{scheme}://{NAME}:{quote(SECRET, safe='')}@127.0.0.1:{port}", ca).send(MAIL)

    assert len(keeper.messages) == 1


async def test_a_wrong_password_delays_and_tells_nothing(tmp_path: Path) -> None:
    keeper, (tls, ca) = Keeper(), certificate(tmp_path)
    async with serving(keeper, tls=tls, options=WITH_ACCOUNTS) as port:
        with pytest.raises(MailServerDownError) as caught:
            await _smtp(f"smtp://{NAME}:wrong-secret@127.0.0.1:{port}", ca, deadline_s=3).send(MAIL)

    assert keeper.messages == []
    assert "wrong-secret" not in str(caught.value)


async def test_a_server_of_an_unknown_authority_gets_no_mail(tmp_path: Path) -> None:
    keeper, (tls, _) = Keeper(), certificate(tmp_path)
    async with serving(keeper, tls=tls) as port:
        with pytest.raises(MailServerDownError, match="SSLCertVerificationError"):
            await _smtp(f"smtp://127.0.0.1:{port}").send(MAIL)

    assert keeper.messages == []


async def test_a_server_elsewhere_without_tls_gets_no_mail() -> None:
    """A stripped STARTTLS must not make us speak in clear (RFC 3207 section 6)."""
    keeper = Keeper()
    async with serving(keeper) as port:
        server = SmtpServer.from_url(f"smtp://127.0.0.1:{port}")
        elsewhere = _Elsewhere(server.host, server.port, is_tls=False)
        with pytest.raises(MailServerDownError, match="SMTPNotSupportedError"):
            await Smtp(elsewhere, sender=SENDER).send(MAIL)

    assert keeper.messages == []


class _Elsewhere(SmtpServer):
    """A server that is not on this machine, as far as the adapter knows."""

    @property
    def is_loopback(self) -> bool:
        """Say no."""
        return False


@pytest.mark.parametrize(("where", "answer", "error"), [
    ("recipient_answer", "550 no such mailbox", MailRefusedError),
    ("recipient_answer", "450 greylisted, come back", MailServerDownError),
    ("answer", "554 this is spam", MailRefusedError),
    ("answer", "451 the disk is full", MailServerDownError),
])
async def test_no_for_ever_and_no_for_now_are_told_apart(where: str, answer: str, error: type[Exception]) -> None:
    """RFC 5321 section 4.2.1."""
    keeper = Keeper()
    setattr(keeper, where, answer)
    async with serving(keeper) as port:
        with pytest.raises(error) as caught:
            await _smtp(f"smtp://127.0.0.1:{port}").send(MAIL)

    assert "ada@" not in str(caught.value)


async def test_a_connection_dropped_in_the_middle_only_delays() -> None:
    keeper = Keeper()
    keeper.drops = True
    async with serving(keeper) as port:
        with pytest.raises(MailServerDownError):
            await _smtp(f"smtp://127.0.0.1:{port}").send(MAIL)


async def test_a_server_that_is_not_there_only_delays() -> None:
    with pytest.raises(MailServerDownError, match="ConnectionRefusedError"):
        await _smtp("smtp://127.0.0.1:1").send(MAIL)


async def test_a_slow_server_is_hung_up_on_and_the_next_mail_goes() -> None:
    keeper = Keeper()
    keeper.hold_s = 3_600
    async with serving(keeper) as port:
        smtp = _smtp(f"smtp://127.0.0.1:{port}", deadline_s=0.5)
        async with asyncio.timeout(60):
            with pytest.raises(MailServerDownError, match="too slow"):
                await smtp.send(MAIL)
        keeper.hold_s = 0
        await _smtp(f"smtp://127.0.0.1:{port}").send(MAIL)

    assert len(keeper.messages) == 1


@pytest.mark.parametrize("value", ["ada\r\nBcc: eve@evil.test", "<script>x</script>", "{issuer}", "\u202eada"])
async def test_no_value_reaches_a_header_or_becomes_markup(value: str) -> None:
    """Header injection, HTML injection, format injection."""
    keeper = Keeper()
    async with serving(keeper) as port:
        await _smtp(f"smtp://127.0.0.1:{port}").send(replace(MAIL, fields={**MAIL.fields, "name": value}))

    message = keeper.messages[0]
    assert message["Bcc"] is None
    assert message["X-Recipients"] == "ada@grid.test"
    assert "<script>" not in _text(message, "html")
    assert "{issuer}" not in _text(message, "plain") or value == "{issuer}"


@pytest.mark.parametrize("recipient", ["ada@grid.test\r\nBcc: x@y.test", "ada@grid.test>, <x@y.test"])
def test_a_recipient_that_is_no_address_is_not_written(recipient: str) -> None:
    with pytest.raises(Exception, match=r"."):
        Letters(SENDER).written(replace(MAIL, recipient=recipient))


@pytest.mark.parametrize("url", [
    "", "http://x", "smtp://", "smtp://x:99999", "smtp://x/y", "smtp://x?y", "mail.grid.test"])
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(SmtpUrlError):
        SmtpServer.from_url(url)


def test_a_mail_server_has_usual_ports_and_keeps_its_password_to_itself() -> None:
    server = SmtpServer.from_url("smtps://us%40er:p%3Ass@mail.grid.test")

    assert (server.port, server.name, server.password) == (465, "us@er", "p:ss")
    assert SmtpServer.from_url("smtp://mail.grid.test").port == 587
    assert "p:ss" not in repr(server)


def test_every_template_is_written_in_both_languages_with_the_same_parts() -> None:
    texts = Letters(SENDER).texts

    assert set(texts) == set(LANGUAGES)
    for language in LANGUAGES:
        assert texts[language].keys() == TEMPLATES.keys()
        for name, text in texts[language].items():
            assert len(text["paragraphs"]) == len(texts["en"][name]["paragraphs"])
            assert ("button" in text) == (TEMPLATES[name].link is not None)
            assert Letters(SENDER).written(replace(MAIL, template=name, language=language)).as_bytes().isascii()


async def _queued(town: Town, template: str = "password_changed") -> None:
    async with Database(town.pool).begin() as tables:
        await town.provider.mailing.queue(
            tables, user=await town.provider.accounts.get(town.user.id), template=template)


async def _room(town: Town, port: int) -> Mailing:
    return Mailing(Database(town.pool), town.clock, sender=_smtp(f"smtp://127.0.0.1:{port}"), issuer="https://id.grid.test")


async def test_a_mail_stands_and_falls_with_its_transaction(town: Town) -> None:
    await town.give_address()
    user = await town.provider.accounts.get(town.user.id)

    async def undone() -> None:
        async with Database(town.pool).begin() as tables:
            await town.provider.mailing.queue(tables, user=user, template="password_changed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()

    assert await town.pool.fetchval("SELECT count(*) FROM identity.mails") == 0


async def test_an_unverified_address_gets_no_notices(town: Town) -> None:
    await town.pool.execute("UPDATE identity.users SET email = 'alice@grid.test' WHERE name = 'alice'")

    await _queued(town)

    assert await town.pool.fetchval("SELECT count(*) FROM identity.mails") == 0


async def test_without_a_server_mails_wait_and_then_go(town: Town) -> None:
    await town.give_address()
    await _queued(town)
    idle = Mailing(Database(town.pool), town.clock, sender=None, issuer="https://id.grid.test")
    await idle.send_due()
    waiting = await idle.standing()
    keeper = Keeper()
    async with serving(keeper) as port:
        await (await _room(town, port)).send_due()

    assert (waiting.is_configured, waiting.waiting) == (False, 1)
    assert len(keeper.messages) == 1
    assert (await idle.standing()).waiting == 0


async def test_a_server_that_is_down_is_tried_again_later_and_later(town: Town) -> None:
    await town.give_address()
    town.mailbox.is_down = True
    await _queued(town)
    mailing = town.provider.mailing
    tries = []
    for pause_us in RETRIES_US[:4]:
        tries.append(await mailing.send_due())
        tries.append(await mailing.send_due())
        town.clock.advance(pause_us // 1_000_000)
    town.mailbox.is_down = False
    await mailing.send_due()

    assert tries == [1, 0] * 4
    assert len(town.mailbox.mails) == 1


async def test_a_mail_is_given_up_after_every_retry_and_said_so(town: Town) -> None:
    await town.give_address()
    town.mailbox.is_down = True
    await _queued(town)
    for pause_us in (*RETRIES_US, 0):
        await town.provider.mailing.send_due()
        town.clock.advance(pause_us // 1_000_000)

    standing = await town.provider.mailing.standing()
    assert (standing.waiting, standing.given_up, standing.last_error) == (0, 1, "the mail server is down")


async def test_a_refused_mail_is_not_tried_again(town: Town) -> None:
    await town.give_address()
    town.mailbox.refuses = True
    await _queued(town)

    assert [await town.provider.mailing.send_due() for _ in range(2)] == [1, 0]
    assert (await town.provider.mailing.standing()).given_up == 1


async def test_a_mail_that_cannot_be_written_does_not_hold_up_the_others(town: Town) -> None:
    await town.give_address()
    await _queued(town)
    await town.pool.execute("UPDATE identity.mails SET recipient = 'no address, and <another>'")
    town.clock.advance(1)
    await _queued(town)
    keeper = Keeper()
    async with serving(keeper) as port:
        await (await _room(town, port)).send_due()

    assert [message["To"] for message in keeper.messages] == ["alice@grid.test"]
    assert (await town.provider.mailing.standing()).waiting == 1


async def test_a_link_that_waited_too_long_is_not_sent(town: Town) -> None:
    await town.give_address()
    await _queued(town, "reset_password")
    town.clock.advance(3_601)

    await town.provider.mailing.send_due()

    assert town.mailbox.mails == []
    assert (await town.provider.mailing.standing()).given_up == 1


async def test_a_sender_that_dies_sends_again_under_the_same_id(town: Town) -> None:
    """After a kill -9 between the server's yes and our note of it: at least once, and recognisable."""
    await town.give_address()
    await _queued(town)
    keeper = Keeper()
    async with serving(keeper) as port:
        async with Database(town.pool).begin() as tables:
            claimed = await tables.mails.claim(town.clock.now_us(), town.clock.now_us() + LEASE_US, 8)
        await _smtp(f"smtp://127.0.0.1:{port}").send(claimed[0])
        room = await _room(town, port)
        before = await room.send_due()
        town.clock.advance(LEASE_US // 1_000_000 + 1)
        after = await room.send_due()

    assert (before, after) == (0, 1)
    assert keeper.messages[0]["Message-ID"] == keeper.messages[1]["Message-ID"]
    assert keeper.messages[0]["Date"] == keeper.messages[1]["Date"]


async def test_two_senders_send_twenty_mails_once_each(town: Town) -> None:
    await town.give_address()
    for _ in range(20):
        await _queued(town)
    keeper = Keeper()
    async with serving(keeper) as port:
        rooms = [await _room(town, port), await _room(town, port)]
        for _ in range(3):
            await asyncio.gather(*(room.send_due() for room in rooms for _ in range(2)))

    assert len(keeper.messages) == 20
    assert len({message["Message-ID"] for message in keeper.messages}) == 20


async def test_the_loop_sends_at_once_and_survives_a_database_that_is_gone(town: Town) -> None:
    await town.give_address()
    loop = asyncio.create_task(town.provider.mailing.run())
    await asyncio.sleep(0.1)
    await _queued(town)
    async with asyncio.timeout(60):
        while not town.mailbox.mails:  # noqa: ASYNC110 - the mailbox has no event to wait for
            await asyncio.sleep(0.02)
    await town.pool.close()
    await asyncio.sleep(0.1)

    assert len(town.mailbox.mails) == 1
    assert not loop.done()
    loop.cancel()
    with pytest.raises(UnavailableError):
        await town.provider.mailing.standing()
