"""One session with HashiCorp Vault for every part of the product that asks it: logged in, renewed, logged in again.

By a token, or by AppRole (role id and secret id). The token is renewed at half its time; when it cannot be renewed any
further, or Vault forgot it, AppRole logs in anew. hvac is blocking: questions run in threads of the session's own, so
that a Vault which hangs holds up nobody else.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import hvac
import structlog
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError
from prometheus_client import Counter

from shared_kernel.errors import UnavailableError

TIMEOUT_S = 5
WORKERS = 4
RETRY_S = 1.0
_log = structlog.get_logger()
_tokens = Counter("gridwarden_vault_tokens_total", "How tokens of Vault were had", ["by", "outcome"])
_Answer = TypeVar("_Answer")


class VaultAwayError(UnavailableError):
    """Vault does not answer, or does not let us."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Vault cannot be asked now ({why}): check VAULT_ADDR, VAULT_TOKEN or VAULT_ROLE_ID and "
                         "VAULT_SECRET_ID, and the policy; retry later")


@dataclass(frozen=True, slots=True)
class AppRole:
    """How a machine logs in (Vault's auth method approle)."""

    role_id: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class _Login:
    """A client with its token, and when to renew it; the times are of the monotonic clock, None is never."""

    client: Any
    lease_s: int
    renew_at_s: float | None
    ends_at_s: float | None


class VaultSession:
    """Keeps a token alive and asks with it; give a token or an AppRole. Run `keep`, and `close` at the end."""

    def __init__(self, address: str, *, token: str | None = None, role: AppRole | None = None) -> None:
        self._address, self._token, self._role = address, token, role
        self._login: _Login | None = None
        self._changing = asyncio.Lock()
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="vault")

    async def ask(self, question: Callable[[Any], _Answer]) -> _Answer:
        """Run a blocking question with an hvac client; raise InvalidPath, InvalidRequest as hvac does, VaultAwayError.

        A token that Vault refuses is replaced, once: it may have been revoked, or forgotten in a restart.
        """
        login = await self._current()
        try:
            return await self._run(question, login.client)
        except Forbidden:
            self._drop(login)
        login = await self._current()
        try:
            return await self._run(question, login.client)
        except Forbidden as cause:
            raise VaultAwayError("Forbidden") from cause

    async def keep(self) -> None:
        """Renew for ever, also while nobody asks: the session's background work."""
        while True:
            try:
                login = await self._current()
            except VaultAwayError as error:
                _log.warning("vault_away", why=error.detail)
                await asyncio.sleep(RETRY_S)
            else:
                due_s = login.renew_at_s or login.ends_at_s
                await asyncio.sleep(60 if due_s is None else max(due_s - time.monotonic(), RETRY_S / 10))

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _current(self) -> _Login:
        """Return a login that is good now."""
        login = self._login
        if login is not None and not _is_due(login):
            return login
        async with self._changing:
            login = self._login
            if login is None or _has_ended(login):
                login = await self._logged_in()
            elif _is_due(login):
                login = await self._renewed(login)
            self._login = login
            return login

    def _drop(self, login: _Login) -> None:
        if self._login is login:
            self._login = None

    async def _logged_in(self) -> _Login:
        by = "approle" if self._role else "token"
        try:
            login = await self._run(self._by_role if self._role else self._by_token, self._client())
        except (Forbidden, InvalidPath, InvalidRequest) as cause:
            _tokens.labels(by, "refused").inc()
            raise VaultAwayError(type(cause).__name__) from cause
        _tokens.labels(by, "had").inc()
        return login

    async def _renewed(self, login: _Login) -> _Login:
        """Return the login renewed, or a new one when Vault grants less and less; keep it while Vault is away."""
        try:
            answer = await self._run(lambda client: client.auth.token.renew_self(), login.client)
            renewed = _login_of(login.client, answer["auth"], longest_s=login.lease_s)
        except VaultAwayError:
            return login
        except (VaultError, KeyError, TypeError):
            _tokens.labels("renewal", "refused").inc()
            return await self._logged_in() if self._role else _unrenewable(login)
        _tokens.labels("renewal", "had").inc()
        if self._role and renewed.ends_at_s and renewed.ends_at_s - time.monotonic() < login.lease_s / 2:
            return await self._logged_in()
        return renewed

    def _client(self, token: str | None = None) -> Any:  # noqa: ANN401 - hvac is untyped
        return hvac.Client(url=self._address, token=token or "", timeout=TIMEOUT_S)

    def _by_role(self, client: Any) -> _Login:  # noqa: ANN401 - hvac is untyped
        role = self._role
        if role is None:
            raise VaultAwayError("no role")
        auth = client.auth.approle.login(role.role_id, role.secret_id, use_token=False)["auth"]
        return _login_of(self._client(auth["client_token"]), auth, longest_s=0)

    def _by_token(self, _: Any) -> _Login:  # noqa: ANN401 - hvac is untyped
        client = self._client(self._token)
        found = client.auth.token.lookup_self()["data"]
        return _login_of(client, {"lease_duration": found["ttl"], "renewable": found.get("renewable", False)},
                         longest_s=0)

    async def _run(self, question: Callable[[Any], _Answer], client: Any) -> _Answer:  # noqa: ANN401 - hvac is untyped
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, question, client)
        except (Forbidden, InvalidPath, InvalidRequest):
            raise
        except (VaultError, OSError) as cause:
            raise VaultAwayError(type(cause).__name__) from cause
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise VaultAwayError("it answers in a way we do not know") from cause


def _login_of(client: Any, auth: Any, *, longest_s: int) -> _Login:  # noqa: ANN401 - hvac is untyped
    """Return a login of this lease; a lease of 0 seconds is for ever (a root token)."""
    lease_s, now_s = int(auth["lease_duration"]), time.monotonic()
    if not lease_s:
        return _Login(client, 0, None, None)
    return _Login(client, max(lease_s, longest_s), now_s + lease_s / 2 if auth["renewable"] else None, now_s + lease_s)


def _unrenewable(login: _Login) -> _Login:
    return _Login(login.client, login.lease_s, None, login.ends_at_s)


def _is_due(login: _Login) -> bool:
    return _has_ended(login) or (login.renew_at_s is not None and time.monotonic() >= login.renew_at_s)


def _has_ended(login: _Login) -> bool:
    return login.ends_at_s is not None and time.monotonic() >= login.ends_at_s
