"""The platform's keys on one machine: made at the first start, kept in DATA/secrets.json for its owner's eyes only."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from core.rotation import ROTATION_OVERLAP
from gateways.platform_keys import Before, Secrets
from gateways.postgres.roles import LOGINS
from gateways.private_file import DamagedFile, refuse_if_shared, replace_private, write_private
from gateways.user_error import NotReady

_KEYS: Final = ("api_key_pepper", "position_key", "webhook_master", "deposit_fact_key")


OVERLAPS: Final[Mapping[str, timedelta | None]] = {
    "webhook_master": ROTATION_OVERLAP,
    "deposit_fact_key": timedelta(days=14),
    "api_key_pepper": None,
}
"""What may be replaced, and for how long the one before still counts; None: until the next time."""


class Replaced(msgspec.Struct, frozen=True):
    """What a key was before, in hex, and when it was replaced."""

    value: str
    at: datetime

    def __repr__(self) -> str:
        return "Replaced(hidden)"


class SecretsFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The file's content: keys in hex, passwords of the database roles, the operator's bootstrap key."""

    api_key_pepper: str
    position_key: str
    webhook_master: str
    deposit_fact_key: str
    role_passwords: dict[str, str]
    operator_api_key: str
    keystore_passphrase: str
    replaced: dict[str, Replaced] = {}
    """By the key's name."""
    logins_at: str = ""
    """The server of the operator's own on which each role logs in with its password here; empty: on none."""

    @property
    def keys(self) -> Secrets:
        keys = {name: bytes.fromhex(getattr(self, name)) for name in _KEYS}
        return Secrets(**keys, before=self.before(_KEYS))

    def before(self, names: Collection[str]) -> dict[str, Before]:
        """Of these keys, what each was before, and until when that counts."""
        kept = {name: each for name, each in self.replaced.items() if name in names}
        overlaps = {name: OVERLAPS.get(name) for name in kept}
        return {
            name: Before(bytes.fromhex(each.value), None if (lap := overlaps[name]) is None else each.at + lap)
            for name, each in kept.items()
        }

    def __repr__(self) -> str:
        return "SecretsFile(hidden)"


def load(path: Path) -> SecretsFile:
    """Read the file of an installation that is there. Raises NotReady where none is, UnsafeFile, DamagedFile."""
    if not path.exists():
        raise no_installation(path.parent)
    return load_or_create(path)


def no_installation(folder: Path) -> NotReady:
    """What a command says that was to look at one, and made none."""
    return NotReady(f"there is no installation in {folder}: `counterfoil up` makes one, --data names another folder")


def load_or_create(path: Path) -> SecretsFile:
    """Read the file, or make it with fresh random keys. Raises UnsafeFile when others may read it, and DamagedFile.

    A file from before a process kind existed is given that role's password.
    """
    try:
        known = _read(path)
        return known if known.role_passwords.keys() >= set(LOGINS) else _with_all_roles(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        made: dict[str, Any] = {name: secrets.token_hex(32) for name in _KEYS}
        fresh = SecretsFile(
            **made,
            role_passwords={role: secrets.token_urlsafe(32) for role in LOGINS},
            operator_api_key=f"cf_operator_{secrets.token_urlsafe(32)}",
            keystore_passphrase=secrets.token_urlsafe(32),
        )
        write_private(path, msgspec.json.format(msgspec.json.encode(fresh), indent=2))
        return _read(path)


def rotate(path: Path, name: str, now: datetime) -> None:
    """Put a new key in the place of this one, which counts on for its overlap. What it replaced before counts no more.

    Processes read it when they start. Raises UnsafeFile, DamagedFile, FileNotFoundError.
    """
    with _changing(path):
        known = _read(path)
        replaced = known.replaced | {name: Replaced(getattr(known, name), now)}
        fresh: dict[str, Any] = {name: secrets.token_hex(32), "replaced": replaced}
        _rewrite(path, msgspec.structs.replace(known, **fresh))


def note_logins(path: Path, server: str) -> SecretsFile:
    """Every role logs in on this server with its password of this file from now on. Raises UnsafeFile, DamagedFile."""
    load_or_create(path)
    with _changing(path):
        known = msgspec.structs.replace(_read(path), logins_at=server)
        _rewrite(path, known)
        return known


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Of two that change it at once, the second finds the first one's work: the folder's lock outlives the file."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _rewrite(path: Path, whole: SecretsFile) -> None:
    replace_private(path, msgspec.json.format(msgspec.json.encode(whole), indent=2))


def _with_all_roles(path: Path) -> SecretsFile:
    """The file with a password for every role; of two that come at once, the second finds the first one's work."""
    with _changing(path):
        known = _read(path)
        missing = {role: secrets.token_urlsafe(32) for role in LOGINS if role not in known.role_passwords}
        if missing:
            _rewrite(path, msgspec.structs.replace(known, role_passwords=known.role_passwords | missing))
        return _read(path)


def _read(path: Path) -> SecretsFile:
    refuse_if_shared(path)
    try:
        known = msgspec.json.decode(path.read_bytes(), type=SecretsFile)
        sound = all(len(bytes.fromhex(getattr(known, name))) == 32 for name in _KEYS)
    except (msgspec.DecodeError, ValueError):
        sound = False
    if not sound:
        raise DamagedFile(f"{path} does not hold the platform's keys: restore it from a backup; new keys open nothing")
    return known
