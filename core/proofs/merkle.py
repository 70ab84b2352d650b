"""The Merkle tree over the history, hashed as RFC 6962 has it: leaf i is the event at position i + 1.

Nothing here keeps a tree. Whoever does answers `Nodes`: the hash over 2^level leaves from index * 2^level on. Roots and
proofs of any size follow from those, because what a tree of complete subtrees holds never changes while it grows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
HASH_BYTES: Final = 32

Nodes = Callable[[int, int], bytes]
"""(level, index) -> the hash of that complete subtree; level 0 are the leaves."""

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
"""A tile holds so many hashes of one level, side by side; the next tile level stands 8 levels above (C2SP tlog-tiles)."""

TileKey = tuple[int, int]
"""(tile level, index)"""


class ProofRefused(ValueError):
    """The proof does not show what it is said to show."""


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


# Roots and proofs


def root(nodes: Nodes, size: int) -> bytes:
    """MTH of the first `size` leaves."""
    return _range(nodes, 0, size) if size else EMPTY_ROOT


def inclusion_path(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """What leads from the leaf at `index` to the root over `size` leaves, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(nodes, middle, end))
            end = middle
        else:
            path.append(_range(nodes, start, middle))
            start = middle
    return path[::-1]


def consistency_path(nodes: Nodes, old_size: int, size: int) -> list[bytes]:
    """What shows that the tree over `old_size` leaves is how the one over `size` leaves begins."""
    if not 0 < old_size <= size:
        raise ValueError(f"no tree of {old_size} leaves comes before one of {size}")
    path = []
    start, end = 0, size
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_range(nodes, middle, end))
            end = middle
        else:
            path.append(_range(nodes, start, middle))
            start = middle
    if start:
        path.append(_range(nodes, start, end))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Raises ProofRefused unless the path leads from the leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofRefused(f"there is no leaf {index} among {size}")
    hashed = leaf
    for stands_left, sibling in _climb(index, size - 1, path):
        hashed = node_hash(sibling, hashed) if stands_left else node_hash(hashed, sibling)
    if hashed != expected_root:
        raise ProofRefused("the path leads to another root")


def check_consistency(old_size: int, old_root: bytes, size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises ProofRefused unless the path shows that the old tree is how the new one begins (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= size:
        raise ProofRefused(f"no tree of {old_size} leaves comes before one of {size}")
    if old_size == size:
        if path or old_root != new_root:
            raise ProofRefused("two trees of one size have different roots")
        return
    steps = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not steps:
        raise ProofRefused("the path is empty")
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for stands_left, sibling in _climb(place, last, steps[1:]):
        if stands_left:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    if old != old_root:
        raise ProofRefused("the path does not begin with the old tree")
    if new != new_root:
        raise ProofRefused("the path leads to another root")


def _climb(place: int, last: int, path: Sequence[bytes]) -> Iterator[tuple[bool, bytes]]:
    """(whether it stands on the left, sibling) on the way up from a place, where `last` is the last one of its level."""
    for sibling in path:
        if last == 0:
            raise ProofRefused("the path goes on above the root")
        stands_left = bool(place & 1) or place == last
        yield stands_left, sibling
        if stands_left:
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1
    if last:
        raise ProofRefused("the path ends below the root")


def _range(nodes: Nodes, start: int, end: int) -> bytes:
    """MTH of the leaves from `start` to before `end`, which is a subtree of the whole."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + _split(width)
    return node_hash(_range(nodes, start, middle), _range(nodes, middle, end))


def _split(width: int) -> int:
    """The largest power of two below a width."""
    return 1 << ((width - 1).bit_length() - 1)


class Frontier:
    """A tree that only grows and gives the root of what it holds: the complete subtrees at its right edge, no more."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []
        """The largest first: one for each 1 in the size's binary digits."""

    def add(self, leaf: bytes) -> None:
        self.size += 1
        place = self.size
        while not place & 1:
            leaf = node_hash(self._subtrees.pop(), leaf)
            place >>= 1
        self._subtrees.append(leaf)

    def root(self) -> bytes:
        if not self._subtrees:
            return EMPTY_ROOT
        *left, hashed = self._subtrees
        for subtree in reversed(left):
            hashed = node_hash(subtree, hashed)
        return hashed


# Tiles


def levels_of(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """All complete nodes over these hashes, level by level."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return levels


def nodes_of(leaves: Sequence[bytes]) -> Nodes:
    """The nodes of a tree that is held in memory, from its leaves' hashes."""
    levels = levels_of(leaves)
    return lambda level, index: levels[level][index]


class TileNodes:
    """`Nodes` over tiles: one tile is read per eight levels of a path, and kept."""

    def __init__(self, read: Callable[[TileKey], bytes]) -> None:
        self._read = read
        self._kept: dict[TileKey, list[list[bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        tile_level, above = divmod(level, TILE_HEIGHT)
        tile, place = divmod(index << above, TILE_WIDTH)
        levels = self._kept.get((tile_level, tile))
        if levels is None:
            levels = self._kept[tile_level, tile] = levels_of(hashes_in(self._read((tile_level, tile))))
        return levels[above][place >> above]


def hashes_in(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def edge(size: int) -> Iterator[TileKey]:
    """The tiles at the right edge of a tree that are not full: those that growing changes."""
    level = 0
    while size:
        if size % TILE_WIDTH:
            yield level, size // TILE_WIDTH
        size //= TILE_WIDTH
        level += 1


def grown(size: int, partial: Mapping[TileKey, bytes], leaves: Sequence[bytes]) -> dict[TileKey, bytes]:
    """The tiles that are new or changed when these leaf hashes are added; `partial` are the tiles of `edge(size)`."""
    changed: dict[TileKey, bytes] = {}
    level, first, added = 0, size, list(leaves)
    while added:
        full: list[bytes] = []
        tile, place = divmod(first, TILE_WIDTH)
        kept = partial[level, tile] if place else b""
        at = 0
        while at < len(added):
            taken = added[at : at + TILE_WIDTH - place]
            kept += b"".join(taken)
            changed[level, tile] = kept
            if len(kept) == TILE_WIDTH * HASH_BYTES:
                full.append(levels_of(hashes_in(kept))[TILE_HEIGHT][0])
            at += len(taken)
            tile, place, kept = tile + 1, 0, b""
        level, first, added = level + 1, first // TILE_WIDTH, full
    return changed
