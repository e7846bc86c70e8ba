"""No secret passes the renderer, whatever its key, depth or disguise."""

import pytest

from control_plane.logs import REDACTED, redact

SECRET = "8Qhng-N9I_JIDFyz0BAc-hQcFt8q4UoS3ugVJlHAVz0"


@pytest.mark.parametrize("event", [
    {"password": SECRET},
    {"client_secret": SECRET},
    {"deep": {"er": [{"refresh_token": SECRET}]}},
    {"line": f"Authorization: Bearer {SECRET}"},
    {"line": f"got gw_refresh_abc.{SECRET}"},
    {"line": f"GET /callback?code={SECRET}&state=x"},
    {"error": f"cannot connect to postgresql://owner:{SECRET}@db/grid"},
    {"token": f"eyJhbGciOiJFUzI1NiJ9.{SECRET}.{SECRET}"},
    {"line": f"jwt eyJhbGciOiJFUzI1NiJ9.{SECRET}.{SECRET} seen"},
], ids=str)
def test_a_secret_is_redacted(event: dict[str, object]) -> None:
    cleaned = redact(None, "info", dict(event))

    assert SECRET not in str(cleaned)
    assert REDACTED in str(cleaned)


def test_ordinary_words_stay() -> None:
    event = {"request_id": "r1", "path": "/oauth2/token", "status": 200, "token_kind": "access"}

    assert redact(None, "info", dict(event)) == event
