"""The Merkle tree: roots and proofs are those of RFC 6962's own definitions, grown in any steps; forgeries are refused."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.proofs.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Frontier,
    Nodes,
    ProofRefused,
    TileKey,
    TileNodes,
    check_consistency,
    check_inclusion,
    consistency_path,
    edge,
    grown,
    inclusion_path,
    leaf_hash,
    node_hash,
    nodes_of,
    root,
)

pytestmark = pytest.mark.fast

SIZES = st.integers(1, 70)


def hashes(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH as the RFC writes it down."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH as the RFC writes it down."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF as the RFC writes it down."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if old <= k:
        return [*naive_proof(old, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_proof(old - k, leaves[k:], False), naive_root(leaves[:k])]


def tiled(steps: list[list[bytes]]) -> tuple[dict[TileKey, bytes], Nodes]:
    """Tiles that grew by these steps."""
    tiles: dict[TileKey, bytes] = {}
    size = 0
    for leaves in steps:
        tiles |= grown(size, {key: tiles[key] for key in edge(size)}, leaves)
        size += len(leaves)
    return tiles, TileNodes(lambda key: tiles[key])


def test_the_tree_of_certificate_transparency() -> None:
    """The eight leaves and roots that Certificate Transparency's own tests use."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert leaves[0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    roots = [root(nodes_of(leaves), size).hex() for size in (0, 1, 2, 8)]
    assert roots == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]


@given(SIZES, st.data())
def test_roots_and_paths_are_the_rfcs(size: int, data: st.DataObject) -> None:
    """Of every size, every leaf and every earlier size: the same hashes as by the recursive definitions, and they verify."""
    leaves = hashes(size)
    nodes = nodes_of(leaves)
    whole = naive_root(leaves)
    assert root(nodes, size) == whole
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path, proof = inclusion_path(nodes, index, size), consistency_path(nodes, old, size)
    assert path == naive_path(index, leaves)
    assert proof == naive_proof(old, leaves)
    check_inclusion(leaves[index], index, size, path, whole)
    check_consistency(old, naive_root(leaves[:old]), size, whole, proof)


@given(st.lists(st.integers(0, 400), max_size=6), st.data())
def test_tiles_grown_in_any_steps_are_the_tree(counts: list[int], data: st.DataObject) -> None:
    """However a tree grows, its tiles are the same bytes, and every root and path read from them is the tree's."""
    size = sum(counts)
    leaves = hashes(size)
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    tiles, nodes = tiled([leaves[end - count : end] for count, end in zip(counts, ends, strict=True)])
    assert tiles == tiled([leaves])[0]
    assert root(nodes, size) == naive_root(leaves)
    if size:
        index = data.draw(st.integers(0, size - 1))
        old = data.draw(st.integers(1, size))
        assert inclusion_path(nodes, index, size) == naive_path(index, leaves)
        assert consistency_path(nodes, old, size) == naive_proof(old, leaves)


def test_a_frontier_has_every_root_on_the_way() -> None:
    """A reader that adds leaf after leaf knows the root of every size, from the empty tree on."""
    leaves, frontier = hashes(300), Frontier()
    assert frontier.root() == naive_root([])
    for size, leaf in enumerate(leaves, start=1):
        frontier.add(leaf)
        assert (frontier.size, frontier.root()) == (size, naive_root(leaves[:size]))


def test_a_tree_of_three_tile_levels() -> None:
    """Beyond 65,536 leaves a third level of tiles begins, and an old root is still read from the newer tiles."""
    size = TILE_WIDTH**2 + 300
    leaves = hashes(size)
    tiles, nodes = tiled([leaves[:100], [], leaves[100:]])
    assert {key for key in tiles if key[0] == 2} == {(2, 0)}
    assert len(tiles) == 258 + 2 + 1
    old = TILE_WIDTH**2 - 17
    assert root(nodes, size) == naive_root(leaves)
    check_consistency(old, root(nodes, old), size, root(nodes, size), consistency_path(nodes, old, size))
    check_inclusion(leaves[777], 777, size, inclusion_path(nodes, 777, size), root(nodes, size))


@given(SIZES, st.data())
def test_no_other_leaf_place_or_root_is_proven(size: int, data: st.DataObject) -> None:
    """A path proves its leaf at its place under its root: any change of one of them, of a hash or the length is refused."""
    leaves = hashes(size)
    nodes, whole = nodes_of(leaves), naive_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(nodes, index, size)
    place = data.draw(st.integers(0, max(0, len(path) - 1)))
    forged = [
        (leaf_hash(b"x"), index, size, path, whole),
        (leaves[index], size, size, path, whole),
        (leaves[index], -1, size, path, whole),
        (leaves[index], index, size, path, leaf_hash(b"x")),
        (leaves[index], index, size, [*path, whole], whole),
        *([(leaves[index], index, size, path[:-1], whole)] if path else []),
        *([(leaves[index], index ^ 1, size, path, whole)] if path else []),
        *([(leaves[index], index, size, [*path[:place], bytes(32), *path[place + 1 :]], whole)] if path else []),
    ]
    for claim in forged:
        with pytest.raises(ProofRefused):
            check_inclusion(*claim)


@given(SIZES, st.data())
def test_no_history_that_was_rewritten_is_consistent(size: int, data: st.DataObject) -> None:
    """A tree whose beginning was another one has no proof; nor has a proof that was changed."""
    leaves = hashes(size)
    nodes, whole = nodes_of(leaves), naive_root(leaves)
    old = data.draw(st.integers(1, size))
    proof = consistency_path(nodes, old, size)
    other = naive_root([leaf_hash(b"x"), *leaves[1:old]])
    forged = [
        (old, other, size, whole, proof),
        (old, naive_root(leaves[:old]), size, leaf_hash(b"x"), proof),
        (old, naive_root(leaves[:old]), size, whole, [*proof, whole]),
        (size + 1, whole, size, whole, proof),
        (0, EMPTY_ROOT, size, whole, proof),
        *([(old, naive_root(leaves[:old]), size, whole, proof[:-1])] if proof else []),
    ]
    for claim in forged:
        with pytest.raises(ProofRefused):
            check_consistency(*claim)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_that_is_not_there_has_no_path(index: int, size: int) -> None:
    """Nobody can ask for the path of a leaf beyond the tree."""
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_path(nodes_of(hashes(3)), index, size)
