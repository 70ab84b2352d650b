"""The platform's keys on one machine: made at the first start, kept in DATA/secrets.json for its owner's eyes only."""

import fcntl
import secrets
from pathlib import Path
from typing import Any, Final

import msgspec

from gateways.platform_keys import Secrets
from gateways.postgres.roles import LOGINS
from gateways.private_file import DamagedFile, refuse_if_shared, write_private

_KEYS: Final = ("api_key_pepper", "position_key", "webhook_master", "deposit_fact_key")


class SecretsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content: keys in hex, passwords of the database roles, the operator's bootstrap key."""

    api_key_pepper: str
    position_key: str
    webhook_master: str
    deposit_fact_key: str
    role_passwords: dict[str, str]
    operator_api_key: str
    keystore_passphrase: str

    @property
    def keys(self) -> Secrets:
        return Secrets(**{name: bytes.fromhex(getattr(self, name)) for name in _KEYS})

    def __repr__(self) -> str:
        return "SecretsFile(hidden)"


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


def _with_all_roles(path: Path) -> SecretsFile:
    """The file with a password for every role; of two that come at once, the second finds the first one's work."""
    with path.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(path)
        missing = {role: secrets.token_urlsafe(32) for role in LOGINS if role not in known.role_passwords}
        if missing:
            whole = msgspec.structs.replace(known, role_passwords=known.role_passwords | missing)
            temporary = path.with_name(f".{path.name}.new")
            temporary.unlink(missing_ok=True)
            write_private(temporary, msgspec.json.format(msgspec.json.encode(whole), indent=2))
            temporary.replace(path)
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
