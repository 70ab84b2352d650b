"""Standard Webhooks: what is signed verifies, what is changed does not, and a rotated secret goes on for a day."""

from datetime import UTC, datetime, timedelta

import pytest

from core.rotation import ROTATION_OVERLAP
from gateways.webhooks.signatures import InvalidWebhook, sign, signing_secrets, verify, webhook_secret

pytestmark = pytest.mark.fast

MASTER = b"m" * 32
NOW = datetime(2026, 1, 2, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
BODY = b'{"type":"deposit.confirmed"}'
SECRET = webhook_secret(MASTER, "account", 1)


def test_the_specification_s_example() -> None:
    """The example of the Standard Webhooks specification is signed as it stands there."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_signed_verifies() -> None:
    """A receiver with the secret believes a delivery, also one with a second signature beside it."""
    verify(SECRET, sign([SECRET], "e1", NOW_S, BODY), BODY, NOW_S)
    other = webhook_secret(MASTER, "account", 2)
    both = sign([other, SECRET], "e1", NOW_S, BODY)
    verify(SECRET, both, BODY, NOW_S)
    verify(other, both, BODY, NOW_S)


@pytest.mark.parametrize(
    ("change", "body", "now_s"),
    [
        ({}, BODY + b" ", NOW_S),
        ({"webhook-id": "e2"}, BODY, NOW_S),
        ({"webhook-timestamp": str(NOW_S + 1)}, BODY, NOW_S),
        ({"webhook-timestamp": "soon"}, BODY, NOW_S),
        ({"webhook-signature": "v1,AAAA"}, BODY, NOW_S),
        ({"webhook-signature": "v1,\u00e4"}, BODY, NOW_S),
        ({"webhook-signature": ""}, BODY, NOW_S),
        ({}, BODY, NOW_S + 301),
        ({}, BODY, NOW_S - 301),
    ],
)
def test_what_is_changed_does_not_verify(change: dict[str, str], body: bytes, now_s: int) -> None:
    """Another body, id, time or signature, or a delivery five minutes old, is not believed."""
    headers = {**sign([SECRET], "e1", NOW_S, BODY), **change}
    with pytest.raises(InvalidWebhook):
        verify(SECRET, headers, body, now_s)


@pytest.mark.parametrize("secret", ["", "secret", "whsec_not base64!"])
def test_what_is_no_secret_verifies_nothing(secret: str) -> None:
    """A receiver with a mistyped secret is told so."""
    with pytest.raises(InvalidWebhook, match="secret"):
        verify(secret, sign([SECRET], "e1", NOW_S, BODY), BODY, NOW_S)


def test_secrets_differ_by_account_and_generation() -> None:
    """No two accounts, generations or master keys share a secret; the same three always give the same one."""
    secrets = {webhook_secret(m, a, g) for m in (MASTER, b"n" * 32) for a in ("a", "b") for g in (1, 2, 12)}
    assert len(secrets) == 12
    assert webhook_secret(MASTER, "a", 1) in secrets


@pytest.mark.parametrize(
    ("generation", "age", "count"),
    [
        (1, None, 1),
        (2, timedelta(0), 2),
        (2, ROTATION_OVERLAP - timedelta(seconds=1), 2),
        (2, ROTATION_OVERLAP, 1),
        (3, timedelta(days=3), 1),
    ],
)
def test_for_a_day_the_old_secret_signs_beside_the_new(generation: int, age: timedelta | None, count: int) -> None:
    """Within 24 hours of a rotation the previous generation signs too, behind the new one; afterwards it does not."""
    rotated_at = None if age is None else NOW - age
    secrets = signing_secrets(MASTER, "account", generation, rotated_at, NOW)
    assert secrets == [webhook_secret(MASTER, "account", generation - place) for place in range(count)]
