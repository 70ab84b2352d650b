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

NO_CURSOR: Final = "is no cursor of this list: give the next_cursor of its page before"
TOKEN_LENGTH: Final = 22
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
        return self._sealed(_tag(caller.account_id), position)

    def read(self, caller: ApiKey, text: str, pointer: str = "?min_position") -> int:
        """What `shown` gave -> the position. Raises RequestRefused (422)."""
        if caller.account_id == OPERATOR:
            if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _POSITION_MAX:
                return int(text)
            raise invalid(pointer, "is no position: operators give the number itself")
        position = self._opened(_tag(caller.account_id), text)
        if position is None:
            raise invalid(pointer, "is nothing that this server gave to this account")
        return position

    def cursor(self, caller: ApiKey, route: str, position: int) -> str:
        """A place in a list, of this caller and this list only; operators get a token too."""
        return self._sealed(_tag(f"{caller.account_id} {route}"), position)

    def read_cursor(self, caller: ApiKey, route: str, text: str) -> int:
        """What `cursor` gave -> the position. Raises RequestRefused (422)."""
        position = self._opened(_tag(f"{caller.account_id} {route}"), text)
        if position is None:
            raise invalid("?after", NO_CURSOR)
        return position

    def cursor_at(self, caller: ApiKey, route: str, place: str) -> str:
        """The same for a list whose places are texts: the place, and what ties it to the caller and the list."""
        return f"{place}.{self._seal_of(caller, route, place)}"

    def read_cursor_at(self, caller: ApiKey, route: str, text: str) -> str:
        """What `cursor_at` gave -> the place. Raises RequestRefused (422)."""
        place, _, seal = text.rpartition(".")
        if not place or seal != self._seal_of(caller, route, place):
            raise invalid("?after", NO_CURSOR)
        return place

    def _seal_of(self, caller: ApiKey, route: str, place: str) -> str:
        return self._sealed(_tag(f"{caller.account_id} {route} {place}"), 0)

    def _sealed(self, tag: bytes, position: int) -> str:
        block = self._encryptor.update(tag + position.to_bytes(8, "big"))
        return base64.urlsafe_b64encode(block).rstrip(b"=").decode()

    def _opened(self, tag: bytes, text: str) -> int | None:
        try:
            block = base64.b64decode(text + "==", altchars=b"-_", validate=True) if len(text) == TOKEN_LENGTH else b""
        except (binascii.Error, ValueError):
            block = b""
        plain = self._decryptor.update(block) if len(block) == 16 else b""
        return int.from_bytes(plain[8:], "big") if plain[:8] == tag else None


def position_of(outcome: Accepted | Repeated, events: int = 1) -> int:
    """The position a first answer names: of the last of the `events` that the command's stream began with.

    Taken from the first event, so that a repetition names the same one.
    """
    return outcome.events[0].position + events - 1


@lru_cache(maxsize=4096)
def _tag(account_id: str) -> bytes:
    return hashlib.sha256(account_id.encode()).digest()[:8]
