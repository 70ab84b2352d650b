"""Checkpoints as files in a folder outside the database: on another disk, a mounted share, a write-once volume.

A file is written whole, made durable, and never opened for writing again.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.ports.unavailable import Unavailable
from core.proofs.checkpoints import ArchiveConflict

_PER_FOLDER: Final = 10_000


class FolderArchive:
    """The port `CheckpointArchive`: <folder>/0000/00000017.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, number: int, content: bytes) -> None:
        self._write(self._path(number), content)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._compare(path, content)
                return
            temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)
            except FileExistsError:
                self._compare(path, content)
            finally:
                temporary.unlink()
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the name is durable only then
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(f"the checkpoint archive {self.folder} cannot be written: {error}") from error

    def endorse(self, key_id: str, note: str) -> None:
        """Keep by which note a key was endorsed: <folder>/keys/<key id>.note. The first one stays."""
        path = self.folder / "keys" / f"{key_id}.note"
        if not path.exists():
            self._write(path, note.encode())

    def get(self, number: int) -> bytes | None:
        try:
            return self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"the checkpoint archive {self.folder} cannot be read: {error}") from error

    def contents(self) -> Iterator[tuple[int, bytes]]:
        try:
            for path in sorted(self.folder.glob("[0-9]*/[0-9]*.json")):
                yield int(path.stem), path.read_bytes()
        except OSError as error:
            raise Unavailable(f"the checkpoint archive {self.folder} cannot be read: {error}") from error

    def _path(self, number: int) -> Path:
        return self.folder / f"{number // _PER_FOLDER:04d}" / f"{number:08d}.json"

    def _compare(self, path: Path, content: bytes) -> None:
        if path.read_bytes() != content:
            raise ArchiveConflict(f"{path} holds another content than this database")
