"""A world open to newcomers, whose mails end in a list."""

from collections.abc import Mapping

import httpx2 as httpx

from identity.domain.people.mails import Mail, MailRefusedError
from shared_kernel.errors import UnavailableError
from tests.identity.world import PASSWORD, World, hidden

ADDRESS = "ada@grid.test"
SESSION = "__Host-gw_session"
NEW_PASSWORD = "seventeen lamps over the river"


class MailBox:
    """A mail server that keeps everything, and can be down or refuse."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.is_down = False
        self.refuses = False

    async def send(self, mail: Mail) -> None:
        """Take a mail."""
        if self.is_down:
            raise UnavailableError("the mail server is down")
        if self.refuses:
            raise MailRefusedError("no such mailbox (550)")
        self.mails.append(mail)

    def of(self, template: str) -> list[Mail]:
        """Return the mails of one kind."""
        return [mail for mail in self.mails if mail.template == template]


class Town(World):
    """The steps people take beyond the login."""

    mailbox: MailBox

    async def post_mails(self) -> None:
        """Send what waits."""
        while await self.provider.mailing.send_due():
            pass

    async def link(self, template: str) -> str:
        """Return the path and token of the newest link of a kind."""
        await self.post_mails()
        link: str = self.mailbox.of(template)[-1].fields["link"]
        return link.removeprefix(self.provider.issuer)

    async def submit(self, browser: httpx.AsyncClient, page: str, action: str,
                     fields: Mapping[str, str]) -> httpx.Response:
        """Open a page and post one of its forms."""
        shown = await browser.get(page)
        return await browser.post(action, data={"interaction": hidden(shown.text), **fields})

    async def register(self, browser: httpx.AsyncClient, name: str = "ada", email: str = ADDRESS,
                       password: str = PASSWORD, **more: str) -> httpx.Response:
        """Fill in the registration form."""
        return await self.submit(browser, "/register", "/register",
                                 {"name": name, "email": email, "password": password, **more})

    async def verify(self, browser: httpx.AsyncClient, link: str, password: str = PASSWORD) -> httpx.Response:
        """Follow a link of a registration and type the password."""
        return await self.submit(browser, link, "/verify", {"token": link.partition("token=")[2], "password": password})

    async def sign_in(self, browser: httpx.AsyncClient, name: str = "alice",
                      password: str = PASSWORD) -> httpx.Response:
        """Log in at the login page, for no application, into a new session."""
        if SESSION in browser.cookies:
            browser.cookies.delete(SESSION)
        return await self.login(browser, await browser.get("/login"), name=name, password=password)

    async def give_address(self, email: str = "alice@grid.test") -> None:
        """Let alice have a verified address."""
        await self.pool.execute(
            "UPDATE identity.users SET email = $1, is_email_verified = true WHERE name = 'alice'", email)


def is_signed_in(answer: httpx.Response) -> bool:
    """Whether a login gave a session."""
    return answer.status_code == 303 and "gw_session=" in str(answer.headers.get_list("set-cookie"))
