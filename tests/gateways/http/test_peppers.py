"""API keys that were made under the pepper before are known until it is replaced once more."""

import asyncio
from datetime import UTC, datetime

import pytest

from core.ports.clients import ApiKey
from gateways.http.auth import Keyring, key_hash
from gateways.http.errors import RequestRefused

pytestmark = pytest.mark.fast

PEPPERS = [bytes([number]) * 32 for number in range(3)]
KEY = "cf_live_of_a_client"


class Kept:
    """As much of the port `ApiKeys` as a keyring asks: one key, kept under the first pepper."""

    def find(self, hashed: str) -> ApiKey | None:
        if hashed != key_hash(PEPPERS[0], KEY):
            return None
        return ApiKey("id", "account", "backend", ("ledger:read",), "active", datetime.now(UTC), None)

    def used(self, hashed: str, at: datetime) -> None:
        """Nobody looks at it here."""


def keyring(*peppers: bytes) -> Keyring:
    return Keyring(Kept(), peppers, "", lambda: datetime.now(UTC))  # type: ignore[arg-type]


def test_a_key_outlives_one_rotation_of_the_pepper_and_not_two() -> None:
    """Its caller is found under the pepper of now or the one before; then it is nobody's."""

    async def play() -> None:
        for peppers in (PEPPERS[:1], [PEPPERS[1], PEPPERS[0]]):
            ring = keyring(*peppers)
            assert (await ring.caller(KEY.encode())).account_id == "account"
            assert ring.was_good(KEY.encode())
            await ring.close()
        with pytest.raises(RequestRefused):
            await keyring(PEPPERS[2], PEPPERS[1]).caller(KEY.encode())

    asyncio.run(play())
