"""Tokens bound to a key, as far as the gateway carries them: credentials in, challenges and nonces out."""

from shared_kernel.credentials import Credentials
from shared_kernel.errors import UnauthenticatedError
from shared_kernel.principal import Principal
from tests.control_plane.gateway_city import PEOPLE, City, Tokens, ask


class NonceDueError(UnauthenticatedError):
    """The proof lacks the nonce."""

    def __init__(self) -> None:
        super().__init__("the proof must carry the nonce")
        self.headers = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "nonce-of-the-refusal"}


class BoundTokens(Tokens):
    """Identity that remembers what it was shown, and asks a proof called `stale` for a nonce."""

    def __init__(self) -> None:
        self.seen: list[Credentials] = []

    async def authenticate(self, credentials: Credentials) -> Principal:
        self.seen.append(credentials)
        if credentials.proofs == ("stale",):
            raise NonceDueError
        return PEOPLE["Bearer admin"]


async def test_a_proof_reaches_identity_with_what_it_must_name() -> None:
    """RFC 9449 section 4.3: method and URL as the client called them, without the query."""
    identity = BoundTokens()

    await ask(City(identity=identity).gateway(), "GET", "/admin/users",
              headers={"Authorization": "DPoP x", "DPoP": "fresh"})

    found = identity.seen[0]
    assert (found.authorization, found.method, found.proofs) == ("DPoP x", "GET", ("fresh",))
    assert found.url.endswith("/admin/users")


async def test_every_proof_reaches_identity() -> None:
    """RFC 9449 section 4.3, item 1: that there are two is for identity to refuse."""
    identity = BoundTokens()

    await ask(City(identity=identity).gateway(), "GET", "/admin/users",
              headers=[("Authorization", "DPoP x"), ("DPoP", "one"), ("DPoP", "two")])

    assert identity.seen[0].proofs == ("one", "two")


async def test_a_refused_proof_is_challenged_in_identity_s_own_words() -> None:
    """RFC 9449 section 9."""
    told = await ask(City(identity=BoundTokens()).gateway(), "GET", "/admin/users",
                     headers={"Authorization": "DPoP x", "DPoP": "stale"})

    assert told.status == 401
    assert told.headers["www-authenticate"] == 'DPoP error="use_dpop_nonce"'
    assert {value for name, value in told.headers.items() if name.lower() == "dpop-nonce"} == {"nonce-of-the-refusal"}


async def test_a_proof_is_answered_with_the_nonce_of_now_and_a_bearer_token_is_not() -> None:
    """RFC 9449 section 8.2."""
    gateway = City(identity=BoundTokens()).gateway()

    proved = await ask(gateway, "GET", "/admin/users", headers={"Authorization": "DPoP x", "DPoP": "fresh"})
    bearer = await ask(gateway, "GET", "/admin/users", headers={"Authorization": "Bearer admin"})

    assert (proved.status, proved.headers["dpop-nonce"]) == (200, "nonce-of-now")
    assert "dpop-nonce" not in bearer.headers


async def test_two_authorization_fields_are_refused_before_anybody_reads_them() -> None:
    """RFC 9110 section 5.3."""
    identity = BoundTokens()

    told = await ask(City(identity=identity).gateway(), "GET", "/admin/users",
                     headers=[("Authorization", "Bearer admin"), ("Authorization", "DPoP x")])

    assert (told.status, identity.seen) == (400, [])


async def test_a_stranger_s_client_certificate_field_means_nothing() -> None:
    """RFC 9440 section 2.4."""
    identity = BoundTokens()

    await ask(City(identity=identity).gateway(), "GET", "/admin/users",
              headers={"Authorization": "Bearer admin", "Client-Cert": ":MIIB:"})

    assert identity.seen[0].certificate is None
