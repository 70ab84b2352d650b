"""An HTTP answer in pieces of bounded size: decompressed bit by bit, and given up when it does not go on."""

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import httpx2

BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of an answer that is read as a whole. A block of 2 MB is up to 16 MB of JSON."""
ANSWER_BYTES_MAX: Final = 1024 * 1024 * 1024
"""Of any answer, decompressed: an answer without an end is none."""
PIECE_BYTES_MAX: Final = 64 * 1024
PROGRESS_BYTES_MIN: Final = 64 * 1024
"""In each timeout; an answer that is over by then needs no progress."""


class TooMuch(Exception):
    """The answer was cut off: too long, or too slow."""


class Body:
    """An answer's bytes, kept as a whole up to BODY_BYTES_MAX."""

    def __init__(self) -> None:
        self.whole = bytearray()

    def take(self, piece: bytes) -> None:
        """Raises TooMuch."""
        if len(self.whole) + len(piece) > BODY_BYTES_MAX:
            raise TooMuch(f"the answer is larger than {BODY_BYTES_MAX} bytes")
        self.whole += piece


def pieces(answer: httpx2.Response, window_s: float, monotonic: Callable[[], float]) -> Iterator[bytes]:
    """The decompressed body. Raises TooMuch where fewer than PROGRESS_BYTES_MIN come in a window, or it has no end."""
    began, total, mark = monotonic(), 0, 0
    for piece in _decompressed(answer):
        yield piece
        total += len(piece)
        if total > ANSWER_BYTES_MAX:
            raise TooMuch(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
        now = monotonic()
        if now - began > window_s:
            if total - mark < PROGRESS_BYTES_MIN:
                raise TooMuch(f"the answer brings {total - mark} bytes in {now - began:.0f} s")
            began, mark = now, total


def _decompressed(answer: httpx2.Response) -> Iterator[bytes]:
    if answer.is_stream_consumed:  # by a transport within this process, which has it in memory
        yield from (answer.content[at : at + PIECE_BYTES_MAX] for at in range(0, len(answer.content), PIECE_BYTES_MAX))
        return
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        for raw in answer.iter_raw():
            for at in range(0, len(raw), PIECE_BYTES_MAX):
                yield raw[at : at + PIECE_BYTES_MAX]
        return
    if encoding not in ("gzip", "deflate"):
        raise TooMuch(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")
    unzip = zlib.decompressobj(wbits=47)
    try:
        for raw in answer.iter_raw():
            rest = raw
            while rest or unzip.unconsumed_tail:
                yield unzip.decompress(rest, PIECE_BYTES_MAX)
                rest = unzip.unconsumed_tail
                if unzip.eof:
                    return
        while rest := unzip.decompress(b"", PIECE_BYTES_MAX):
            yield rest
    except zlib.error as error:
        raise TooMuch(f"the answer cannot be decompressed: {error}") from error
