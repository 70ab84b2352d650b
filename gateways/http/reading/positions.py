"""Positions in the history: a number for operators, an opaque token for clients, from which no volume can be read.

A token is one AES block over 8 bytes that tie it to the account and the 8 bytes of the position.
"""

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from core.ledger.ledger import Accepted, Repeated
from core.ports.clients import ApiKey
from core.streams.accounts import OPERATOR
from gateways.http.errors import invalid

_POSITION_MAX: Final = 2**63 - 1

Position = int | str


class Positions:
    """Positions as callers see them. Used from one thread."""

    def __init__(self, key: bytes) -> None:
        # One block at a time, each of which is distinct by what it holds: the mode adds nothing.
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()

    def shown(self, caller: ApiKey, position: int) -> Position:
        """The position as this caller may see it."""
        if caller.account_id == OPERATOR:
            return position
        block = self._encryptor.update(_tag(caller.account_id) + position.to_bytes(8, "big"))
        return base64.urlsafe_b64encode(block).rstrip(b"=").decode()

    def read(self, caller: ApiKey, text: str, pointer: str = "?min_position") -> int:
        """What `shown` gave -> the position. Raises RequestRefused (422)."""
        if caller.account_id == OPERATOR:
            if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _POSITION_MAX:
                return int(text)
            raise invalid(pointer, "is no position: operators give the number itself")
        try:
            block = base64.b64decode(text + "==", altchars=b"-_", validate=True) if len(text) == 22 else b""
        except (binascii.Error, ValueError):
            block = b""
        plain = self._decryptor.update(block) if len(block) == 16 else b""
        if plain[:8] != _tag(caller.account_id):
            raise invalid(pointer, "is nothing that this server gave to this account")
        return int.from_bytes(plain[8:], "big")


def position_of(outcome: Accepted | Repeated, events: int = 1) -> int:
    """The position a first answer names: of the last of the `events` that the command's stream began with.

    Taken from the first event, so that a repetition names the same one.
    """
    return outcome.events[0].position + events - 1


@lru_cache(maxsize=4096)
def _tag(account_id: str) -> bytes:
    return hashlib.sha256(account_id.encode()).digest()[:8]
