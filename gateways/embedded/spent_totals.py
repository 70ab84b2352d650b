"""What was signed of late on one machine: beside the keystore a small file a wallet, written whole, one writer at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.ports.spent_totals import Spent, SpentMoved
from core.ports.unavailable import Unavailable


class FileSpentTotals:
    """The port `SpentTotals`: <folder>/spent-<wallet>.json."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, wallet: str) -> Spent:
        path = self._path(wallet)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Spent)
        except FileNotFoundError:
            return Spent()
        except msgspec.DecodeError as error:
            raise Unavailable(
                f"{path}, which says how much was signed, is damaged: nothing is signed until it is put right, or moved"
                " away (the history says it, too)"
            ) from error
        except OSError as error:
            raise Unavailable(f"{path}, which says how much was signed, cannot be read: {error}") from error

    def save(self, wallet: str, spent: Spent) -> None:
        try:
            with self._alone(wallet):
                there = self.load(wallet)
                if there == spent:
                    return
                if spent.version != there.version + 1:
                    raise SpentMoved
                self._write(self._path(wallet), msgspec.json.encode(spent))
        except OSError as error:
            raise Unavailable(f"how much was signed cannot be written to {self._path(wallet)}: {error}") from error

    def _path(self, wallet: str) -> Path:
        return self._folder / f"spent-{wallet}.json"

    @contextmanager
    def _alone(self, wallet: str) -> Iterator[None]:
        """By a lock that the kernel lets go when its holder ends."""
        descriptor = os.open(self._folder / f"spent-{wallet}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name is durable only then
        finally:
            os.close(folder)
