"""Files for their owner's eyes only: written whole and durable, by one writer at a time, refused when others may read them."""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UnsafeFile(Exception):
    """A file with secrets can be read by others; the message says how to mend it."""


class DamagedFile(Exception):
    """The file is not what was written there; the message says what to do and quotes nothing of it."""


def refuse_if_shared(path: Path) -> None:
    """Raises UnsafeFile unless only the owner may read and write."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UnsafeFile(f"{path} can be read by others: run `chmod 600 {path}`, and replace the keys if anybody did")


def write_private(path: Path, content: bytes) -> None:
    """Whole or not at all, durable, mode 0600. Two writers: the first one wins."""
    temporary = _written_beside(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    _keep_name(path)


def replace_private(path: Path, content: bytes) -> None:
    """The same in the place of what is there. Two writers: the last one wins, unless they do it `alone`."""
    _written_beside(path, content).replace(path)
    _keep_name(path)


@contextmanager
def alone(lock: Path) -> Iterator[int]:
    """By a lock file that the kernel lets go when its holder ends -> the file's inode, which no copy of the folder has."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _written_beside(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _keep_name(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name is durable only then
    finally:
        os.close(folder)
