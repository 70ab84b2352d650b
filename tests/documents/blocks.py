"""Blocks of code in a document, the output below them, and the parts between markers."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"(<!-- output: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

_SHAPES = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}…", "<id>…"),
    (r"\b[0-9a-f]{40,}\b", "<hash>"),
    (r"\b[0-9a-f]{10}…[0-9a-f]{4}\b", "<hash>"),
    (r"\bT[1-9A-HJ-NP-Za-km-z]{33}\b", "<address>"),
    (r"\b[A-Z2-7]{4}(?:-[A-Z2-7]{4})+\b", "<fingerprint>"),
    (r"\d[\d.,:-]*", "<n>"),
    (r"[ \t]+", " "),
)
_PROGRESS = re.compile(r"^\w+: [a-z]+, \d+ %")


class Block(NamedTuple):
    """A fenced block: its language, its text, and where the text begins and ends in the document."""

    language: str
    text: str
    start: int
    end: int


def blocks(document: str) -> list[Block]:
    """All of them, in order."""
    return [Block(found[1], found[2], found.start(2), found.end(2)) for found in _BLOCK.finditer(document)]


def commands(document: str) -> Iterator[tuple[Block, Block | None]]:
    """Every block of shell, and the block of text directly below it, which is what it prints."""
    found = blocks(document)
    for number, block in enumerate(found):
        if block.language == "sh":
            below = found[number + 1] if number + 1 < len(found) else None
            follows = below is not None and document[block.end : below.start].strip() == "```\n\n```text"
            yield block, below if follows else None


def shape(text: str) -> list[str]:
    """The lines of what was printed, without what differs from run to run: numbers, times, ids, hashes, addresses."""
    lines = [line.strip() for line in shown(text).splitlines()]
    for pattern, word in _SHAPES:
        lines = [re.sub(pattern, word, line) for line in lines]
    return [line.strip() for line in lines]


def shown(text: str) -> str:
    """What a document shows of it: without spaces at the ends of lines, and without progress, which is the machine's."""
    lines = [line.rstrip() for line in text.splitlines() if not _PROGRESS.match(line)]
    return "\n".join(lines).strip("\n") + "\n"


def parts(document: str) -> Mapping[str, str]:
    """What stands between the markers, by name."""
    return {found[2]: found[3] for found in _PART.finditer(document)}


def with_parts(document: str, render: Callable[[str], str]) -> str:
    """The document with every part written anew."""
    return _PART.sub(lambda found: f"{found[1]}{render(found[2])}{found[4]}", document)


def with_outputs(document: str, outputs: Mapping[int, str]) -> str:
    """The document with other texts in the blocks that begin there."""
    for block in reversed(blocks(document)):
        if block.start in outputs:
            document = document[: block.start] + outputs[block.start] + document[block.end :]
    return document
