"""The chain on disk: an append-only file of checked frames, so that a devnet killed at any moment goes on where it was.

A frame is its length and CRC-32, four bytes each, little-endian, then MessagePack. The first frame says which chain this
is; each further one holds the blocks that came at once: one, or the branch that a fork put in the place of others. A frame
is on disk before its blocks are shown to anyone; a torn last frame is cut.
"""

import errno
import fcntl
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateways.devnet.chain.block import SealedBlock

FORMAT: Final = 2
_PREFIX_BYTES: Final = 8


class UnusableData(Exception):
    """The folder's chain cannot be opened; the message says why and what to do."""


class Beginning(msgspec.Struct, frozen=True):
    """The first frame: what block 0 is made from."""

    format: int
    seed: str
    network: str
    factor: int


class BlockLog:
    """One chain's file, open and locked."""

    def __init__(self, folder: Path, seed: str, factor: int) -> None:
        """Open the chain in this folder, or begin one. Raises UnusableData."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "blocks.log"
        self._file = self._path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnusableData(
                f"{folder} is in use by another devnet: stop it, or name another --data folder"
            ) from error
        first = next(self._frames(), None)
        if first is None:
            self._file.truncate(0)
            self.beginning = Beginning(FORMAT, seed, secrets.token_hex(8), factor)
            self._write(msgspec.msgpack.encode(self.beginning))
        else:
            self.beginning = msgspec.msgpack.decode(first[0], type=Beginning)
            if self.beginning.format != FORMAT:
                raise UnusableData(
                    f"{self._path} has format {self.beginning.format}, not {FORMAT}: name another --data folder"
                )

    def blocks(self) -> Iterator[SealedBlock]:
        """The kept blocks, oldest first; a torn end is cut off when reached."""
        whole_bytes = 0
        for position, (payload, end) in enumerate(self._frames()):
            if position:
                yield from msgspec.msgpack.decode(payload, type=list[SealedBlock])
            whole_bytes = end
        self._file.truncate(whole_bytes)

    def append(self, blocks: Sequence[SealedBlock]) -> None:
        """Returns when the blocks are on disk. Raises OSError, and the file is then as before."""
        self._write(msgspec.msgpack.encode(blocks))

    def close(self) -> None:
        self._file.close()

    def _write(self, payload: bytes) -> None:
        prefix = len(payload).to_bytes(4, "little") + zlib.crc32(payload).to_bytes(4, "little")
        whole_bytes = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(prefix + payload) != len(prefix + payload):
                raise OSError(errno.ENOSPC, f"{self._path} took only a part of a block: is the disk full?")
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(whole_bytes)
            raise

    def _frames(self) -> Iterator[tuple[bytes, int]]:
        """Each whole frame's payload, and where the frame ends."""
        self._file.seek(0)
        while True:
            prefix = self._file.read(_PREFIX_BYTES)
            payload = self._file.read(int.from_bytes(prefix[:4], "little"))
            if len(prefix) < _PREFIX_BYTES or zlib.crc32(payload) != int.from_bytes(prefix[4:], "little"):
                return
            yield payload, self._file.tell()
