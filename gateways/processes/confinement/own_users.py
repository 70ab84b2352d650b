"""Run as root, each kind of process becomes an OS user of its own, and the signers' files are theirs.

The users have a number and no name: nobody has to make them, nobody logs in as them, and the numbers are a setting. Processes
of one database login are one user, since they hold the same secrets.
"""

import os
import pwd
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from gateways.postgres.roles import API, CHECKPOINTER, LOGINS, SIGNER
from gateways.processes.confinement.apart import apart
from gateways.processes.confinement.hardened import harden
from gateways.processes.registry import PROCESSES
from gateways.settings import PREFIX, Settings
from gateways.wiring.notes import open_signer

DEVNET: Final = "devnet"
_PROGRAM: Final = Path(__file__).resolve().parents[3]


class NotPossible(Exception):
    """The processes must run as root; the message says why, and what to do about it."""


def user_of(role: str, settings: Settings) -> int:
    """The number of the user that processes of this database login run as."""
    return settings.process_uids + LOGINS.index(role)


def take_users(settings: Settings, socket: Path | None) -> Mapping[str, int]:
    """Process -> its user, who has been given its files. Empty where we are not root, or a setting says so. Raises NotPossible.

    `socket` is the folder in which the database answers. Called while there is one thread.
    """
    if os.geteuid() != 0 or not settings.process_uids or settings.mode != "embedded":
        return {}
    users = {name: user_of(process.role, settings) for name, process in PROCESSES.items()}
    users[DEVNET] = settings.process_uids + len(LOGINS)
    for uid in sorted(set(users.values())):
        if (name := _name_of(uid)) is not None:
            raise NotPossible(
                f"the user {uid} is {name}: set {PREFIX}PROCESS_UIDS to the first of {len(LOGINS) + 1} free numbers"
            )
    for path in filter(
        None, (*map(Path, sys.path), Path(sys.executable).resolve(), _PROGRAM, settings.data.resolve(), socket)
    ):
        if path.exists() and (closed := _closed(path.resolve())) is not None:
            raise NotPossible(f"{closed} is closed to other users, who need {path}")
    if 0 < settings.http_port < 1024:
        raise NotPossible(f"only root may listen at port {settings.http_port}: put a proxy before another one")
    if settings.keystore != Path(""):
        raise NotPossible(f"{PREFIX}KEYSTORE names a file, which would change its owner")
    try:
        apart(lambda: become(users[DEVNET]))
        _give_files(settings, users)
    except OSError as error:
        raise NotPossible(f"this system does not let us: {error}") from error
    return users


def become(uid: int) -> None:
    """For good: this process has no other user, no group and no home any more."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.environ["HOME"] = "/"
    harden()  # the kernel takes it back when the user changes


def _give_files(settings: Settings, users: Mapping[str, int]) -> None:
    for purpose in ("checkpoints", "statements"):
        apart(lambda purpose=purpose: open_signer(settings, purpose) and None)  # type: ignore[misc]
    signs = [settings.pulse / name for name in users]
    for folder in (settings.checkpoint_archive_path, settings.data / DEVNET):
        folder.mkdir(parents=True, exist_ok=True)
    for sign in signs:
        sign.touch()
        os.chown(sign, users[sign.name], users[sign.name])
    _give([_keys(settings.data)], user_of(SIGNER, settings))
    _give([settings.data / "statements.key"], user_of(API, settings))
    _give([settings.data / "checkpoints.key", settings.checkpoint_archive_path], user_of(CHECKPOINTER, settings))
    _give([settings.data / DEVNET], users[DEVNET])


def _keys(data: Path) -> Path:
    """The signers' folder: the keystore, and what they write beside it, moved and not copied: the mark knows a copy."""
    folder = data / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    for pattern in (
        "high-water.*",
        "spent-*",
        "keystore.json",
    ):  # the keystore last: with it the others are looked for there
        for path in data.glob(pattern):
            path.rename(folder / path.name)
    return folder


def _give(paths: Iterable[Path], uid: int) -> None:
    """With all that is in them: a command of root's may have written there."""
    for path in paths:
        for each in (path, *path.rglob("*")):
            if each.lstat().st_uid != uid:
                os.chown(each, uid, uid, follow_symlinks=False)


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _closed(path: Path) -> Path | None:
    """The first folder on the way, or the path itself, that other users may not enter."""
    for each in (*reversed(path.parents), path):
        mode = each.stat().st_mode
        if stat.S_ISDIR(mode) and not mode & stat.S_IXOTH:
            return each
    return None
