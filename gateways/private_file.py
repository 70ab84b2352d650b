"""Files for their owner's eyes only: written whole and durable, refused when others may read them."""

import os
import secrets
import stat
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name is durable only then
    finally:
        os.close(folder)
