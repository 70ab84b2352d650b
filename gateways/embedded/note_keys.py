"""The Ed25519 keys that sign notes, each in a file for its owner's eyes only.

The file is one line, as the Go checksum database writes its keys: PRIVATE+KEY+<name>+<key id>+<base64 of 0x01 and the seed>."""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.proofs.notes import NoteKey, is_name
from gateways.private_file import DamagedFile, refuse_if_shared, write_private

_PREFIX: Final = "PRIVATE+KEY+"
_ED25519: Final = b"\x01"


class SeedSigner:
    """The port `NoteSigner` over a key's 32 bytes; `repr` shows nothing of them (I13)."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._key = NoteKey(name, self._private.public_key().public_bytes_raw())

    @property
    def key(self) -> NoteKey:
        return self._key

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def load(path: Path) -> SeedSigner:
    """The key in a file that exists. Raises OSError, UnsafeFile, DamagedFile."""
    return _read(path)


def load_or_create(path: Path, name: str) -> SeedSigner:
    """The key in a file, or a fresh one of this name. A key that exists keeps the name it was made with."""
    try:
        return _read(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = secrets.token_bytes(32)
        key = SeedSigner(name, seed).key
        encoded = base64.b64encode(_ED25519 + seed).decode()
        write_private(path, f"{_PREFIX}{key.name}+{key.key_id.hex()}+{encoded}\n".encode())
        return _read(path)


def next_to(path: Path) -> SeedSigner:
    """The key that is to come after the one in this file, under the same name: made once, and kept beside it."""
    return load_or_create(_beside(path, "next"), load(path).key.name)


def put_next(path: Path) -> None:
    """The next key in the place of this one, which stays beside it under its id. Whoever has it open signs on with it."""
    kept = _beside(path, load(path).key.key_id.hex())
    kept.unlink(missing_ok=True)
    kept.hardlink_to(path)
    _beside(path, "next").replace(path)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _read(path: Path) -> SeedSigner:
    refuse_if_shared(path)
    text = path.read_text(encoding="utf-8").strip()
    name, _, rest = text.removeprefix(_PREFIX).partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        seed = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if text.startswith(_PREFIX) and is_name(name) and len(seed) == 33 and seed[:1] == _ED25519:
        signer = SeedSigner(name, seed[1:])
        if signer.key.key_id.hex() == key_id:
            return signer
    raise DamagedFile(f"{path} does not hold a signing key: restore it from a backup; what it signed stays valid")
