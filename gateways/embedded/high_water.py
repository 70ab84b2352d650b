"""The high-water mark on one machine, and how far addresses went: small files beside the keystore, one writer at a time."""

from pathlib import Path
from typing import Final

import msgspec

from core.ports.high_water import Mark, MarkCopied, MarkMoved
from core.ports.unavailable import Unavailable
from gateways.private_file import alone, replace_private

FILE: Final = "high-water.json"
INDEXES: Final = "address-indexes.json"
LOCK: Final = "high-water.lock"


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds: the mark, and the inode of the lock beside it, which no copy of the folder has."""

    store_id: str
    position: int
    seal: str
    inode: int

    @property
    def mark(self) -> Mark:
        return Mark(self.store_id, self.position, self.seal)


class FileHighWater:
    """The port `HighWater`: <folder>/high-water.json."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = folder / LOCK

    def load(self) -> Mark | None:
        try:
            written = self._read()
            if written is not None and written.inode != self._inode():
                raise MarkCopied(
                    f"{self.path} was copied with its folder: whoever signs with the original may still be running"
                )
        except OSError as error:
            raise Unavailable(f"the high-water mark {self.path} cannot be read: {error}") from error
        return written.mark if written is not None else None

    def move(self, before: Mark | None, after: Mark) -> None:
        try:
            with alone(self._lock) as inode:
                written = self._read()
                there = written.mark if written is not None and written.inode == inode else None
                if there == after:
                    return
                if there != before:
                    raise MarkMoved(there)
                written = _Written(after.store_id, after.position, after.seal, inode)
                replace_private(self.path, msgspec.json.encode(written))
        except OSError as error:
            raise Unavailable(f"the high-water mark {self.path} cannot be written: {error}") from error

    def _inode(self) -> int:
        try:
            return self._lock.stat().st_ino
        except FileNotFoundError:
            return -1

    def _read(self) -> _Written | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Written)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise Unavailable(
                f"the high-water mark {self.path} is damaged: nothing is signed until it is put right, or moved away"
            ) from error


class FileGivenIndexes:
    """The port `GivenIndexes`: <folder>/address-indexes.json, under the lock of the mark."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / INDEXES
        self._lock = folder / LOCK

    def load(self, prefix: str) -> int:
        try:
            return self._read().get(prefix, 0)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be read: {error}") from error

    def reserve(self, prefix: str, least: int, count: int) -> int:
        try:
            with alone(self._lock):
                kept = self._read()
                first = max(kept.get(prefix, 0), least)
                replace_private(self.path, msgspec.json.encode({**kept, prefix: first + count}))
                return first
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error}") from error

    def _read(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise Unavailable(
                f"{self.path} is damaged: no address is derived until it is put right, or moved away"
            ) from error
