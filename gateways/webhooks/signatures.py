"""Standard Webhooks signatures: the secrets of an account, the headers of a delivery, and how a receiver checks them.

A secret is never stored: it follows from the platform's master key, the account and a generation number (I13).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from core.rotation import ROTATION_OVERLAP

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (how a secret begins, not one)

TOLERANCE_S: Final = 300
"""How far a delivery's timestamp may be from the receiver's clock, either way."""


class InvalidWebhook(Exception):
    """The delivery is not to be believed; the message says why."""


def webhook_secret(master: bytes, account_id: str, generation: int) -> str:
    """The account's secret of a generation (from 1): whsec_ and 32 bytes in base64."""
    derived = hmac.digest(master, f"{account_id}|{generation}".encode(), hashlib.sha256)
    return SECRET_PREFIX + base64.b64encode(derived).decode()


def signing_secrets(
    master: bytes, account_id: str, generation: int, rotated_at: datetime | None, now: datetime
) -> list[str]:
    """The secrets that sign at `now`, newest first: two during the overlap after a rotation, else one."""
    generations = [generation]
    if generation > 1 and rotated_at is not None and now < rotated_at + ROTATION_OVERLAP:
        generations.append(generation - 1)
    return [webhook_secret(master, account_id, number) for number in generations]


def sign(secrets: Sequence[str], event_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery; one signature per secret."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(_signature(secret, event_id, timestamp_s, body) for secret in secrets),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: int) -> None:
    """What a receiver does, with lower-case header names. Raises InvalidWebhook unless one signature is the secret's."""
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not headers.get(name)]
    if missing:
        raise InvalidWebhook(f"the delivery has no {' and no '.join(missing)} header")
    try:
        timestamp_s = int(headers["webhook-timestamp"])
    except ValueError as error:
        raise InvalidWebhook("the webhook-timestamp is no number of seconds") from error
    if abs(now_s - timestamp_s) > TOLERANCE_S:
        raise InvalidWebhook(f"the webhook-timestamp is more than {TOLERANCE_S} s from now: a replay, or a wrong clock")
    expected = _signature(secret, headers["webhook-id"], timestamp_s, body).encode()
    given = headers["webhook-signature"].encode().split()
    if not any(hmac.compare_digest(expected, signature) for signature in given):
        raise InvalidWebhook("no webhook-signature was made with this secret over this body")


def _signature(secret: str, event_id: str, timestamp_s: int, body: bytes) -> str:
    if not secret.startswith(SECRET_PREFIX):
        raise InvalidWebhook(f"a webhook secret starts with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise InvalidWebhook("the webhook secret is not base64") from error
    digest = hmac.digest(key, f"{event_id}.{timestamp_s}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()
