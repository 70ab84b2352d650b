"""Signed notes (C2SP signed-note): a text, an empty line, and who signed it. Checkpoints, receipts and statements are notes.

A verifier key is written `<name>+<key id>+<base64 of 0x01 and the Ed25519 public key>`; it is what an auditor is given by
hand, once, and compares everything with.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ENDORSES: Final = "counterfoil: from now on this key signs in the place of the one that signs this"
_ED25519: Final = b"\x01"
_DASH: Final = "\N{EM DASH} "


class NoteRefused(ValueError):
    """The note is not one, or not signed by the key; the message says which."""


class NoteKey(msgspec.Struct, frozen=True):
    """Who signs: a name without spaces or plus signs, and an Ed25519 public key of 32 bytes."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256 over the name, a newline, the algorithm and the key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` gives. Raises NoteRefused."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        found = cls(name, key[1:])
        if len(key) != 33 or key[:1] != _ED25519 or not is_name(name) or found.key_id.hex() != key_id:
            raise NoteRefused(f"{text!r} is no Ed25519 verifier key: it has the form name+id+key")
        return found


class NoteSigner(Protocol):
    """The port to a key that signs notes. `sign` may raise Unavailable."""

    @property
    def key(self) -> NoteKey:
        """The name and the public half, which auditors and clients hold."""

    def sign(self, message: bytes) -> bytes:
        """The signature over these bytes, 64 bytes, always the same for the same bytes."""


def is_name(name: str) -> bool:
    return bool(name) and "+" not in name and name.isprintable() and not any(each.isspace() for each in name)


def signed(text: str, key: NoteKey, sign: Callable[[bytes], bytes]) -> str:
    """The note. The text ends with a newline; `sign` gives the Ed25519 signature over its bytes."""
    assert text.endswith("\n"), "a note's text ends with a newline"
    signature = base64.b64encode(key.key_id + sign(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def opened(note: str, key: NoteKey) -> str:
    """The text of a note that the key signed. Raises NoteRefused."""
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteRefused("this is no signed note: after its text come an empty line and its signatures")
    text += "\n"
    for line in lines.splitlines():
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise NoteRefused("a signature line of the note is damaged") from None
        if name != key.name or signature[:4] != key.key_id:
            continue  # somebody else signed, too
        try:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature[4:], text.encode())
        except InvalidSignature:
            raise NoteRefused(f"the signature of {key.name} does not fit the text") from None
        return text
    raise NoteRefused(f"the note is not signed by {key.name} with the key {key.key_id.hex()}")


def opened_by(note: str, keys: Sequence[NoteKey]) -> str:
    """The text of a note that one of the keys signed: a key may have been replaced. Raises NoteRefused."""
    refused = NoteRefused("no key is known that could have signed the note")
    for key in keys:
        try:
            return opened(note, key)
        except NoteRefused as error:
            refused = error
    raise refused


def endorsement(old: NoteSigner, new: NoteKey, at: datetime) -> str:
    """The note by which a key says which one comes after it: who knows the old one needs nobody's word for the new one."""
    return signed(f"{ENDORSES}\n{new}\n{at.isoformat()}\n", old.key, old.sign)
