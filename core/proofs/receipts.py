"""Receipts: what a client can keep to prove that an event of its own stands in the history, and nothing about anybody else.

Of every event that concerns a client there is an **entry**: the part of it that is the client's own, as one JSON text. The
entries since the last checkpoint become leaves of receipt trees, whose roots the checkpoint names. A proof shows a client
no position, no size and no other client (I12): each leaf is salted, the leaves stand in the order of their hashes, and
every tree has the same number of leaves, filled up with hashes of nothing. Who knows the checkpoint's `blind`, as an
auditor does, derives it all again from the events.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

import core.streams.all_events  # noqa: F401  declares what is shown of each event
from core.ledger.events import SHOWN
from core.ledger.journal import TREASURY
from core.proofs.checkpoints import ReceiptNote
from core.proofs.merkle import ProofRefused, check_inclusion, inclusion_path, leaf_hash, nodes_of, root
from core.proofs.notes import NoteKey, opened

LEAVES: Final = 1024
"""Of every receipt tree, so that a path of 10 hashes says nothing about how much happened."""


class Entry(msgspec.Struct, frozen=True):
    """One client's part of one event; `text` is what is hashed."""

    position: int
    account_id: str
    text: bytes

    @property
    def hash(self) -> bytes:
        return sha256(self.text).digest()

    def leaf(self, blind: bytes) -> bytes:
        """The leaf's hash in its receipt tree."""
        return leaf_hash(self.salt(blind) + self.hash)

    def salt(self, blind: bytes) -> bytes:
        """Without it nobody can try out what another leaf might hold."""
        return hmac.digest(blind, self.position.to_bytes(8, "big") + self.account_id.encode(), "sha256")


def entries_of(position: int, stream: str, version: int, topic: str, state: Mapping[str, Any]) -> Iterator[Entry]:
    """The entries of one stored event, one for each client that it concerns.

    The client whose act it was sees the fields that the event declares as `shown`, others the lines in their own book.
    """
    owner = state.get("account_id") or state.get("order", {}).get("account_id")
    lines: dict[str, list[dict[str, Any]]] = {}
    for posting in state.get("postings", ()):
        if posting["book"] != TREASURY:
            line = {name: value for name, value in posting.items() if name != "book"}
            lines.setdefault(posting["book"], []).append(line)
    shown = SHOWN.get(topic)
    if shown is not None and owner is not None and owner != TREASURY:
        lines.setdefault(owner, [])
    for account_id, own in lines.items():
        entry: dict[str, Any] = {
            "account_id": account_id,
            "lines": own,
            "occurred_at": state["occurred_at"],
            "stream": stream,
            "topic": topic,
            "version": version,
        }
        if account_id == owner:
            entry |= {name: state[name] for name in shown or ()}
        yield Entry(position, account_id, canonical(entry))


def canonical(content: Mapping[str, Any]) -> bytes:
    """JSON with sorted names, without spaces, in UTF-8: any language writes the same bytes."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def split(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The leaf hashes of each receipt tree, without fillers: in their own order, and only the last one not full."""
    ordered = sorted(leaves)
    return [ordered[at : at + LEAVES] for at in range(0, len(ordered), LEAVES)]


def filled(leaves: Sequence[bytes], number: int, blind: bytes) -> list[bytes]:
    """A tree's leaves with the fillers that make it full; nobody without the blind tells one from the other."""
    fillers = [
        hmac.digest(blind, b"filler" + number.to_bytes(4, "big") + place.to_bytes(4, "big"), "sha256")
        for place in range(LEAVES - len(leaves))
    ]
    return sorted([*leaves, *fillers])


def tree_root(leaves: Sequence[bytes]) -> bytes:
    return root(nodes_of(leaves), LEAVES)


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a client needs to check its entry offline, but the key. Hashes and salt are hexadecimal.

    While the checkpoint that will cover it is yet to come, there is the entry alone.
    """

    position: int | str
    entry: str
    entry_hash: str
    salt: str | None = None
    index: int | None = None
    path: tuple[str, ...] | None = None
    checkpoint: int | None = None
    note: str | None = None


def proven(entry: Entry, blind: bytes, leaves: Sequence[bytes], note: str, number: int, position: int | str) -> Receipt:
    """The receipt of an entry whose full tree holds these leaves."""
    index = leaves.index(entry.leaf(blind))
    return Receipt(
        position=position,
        entry=entry.text.decode(),
        entry_hash=entry.hash.hex(),
        salt=entry.salt(blind).hex(),
        index=index,
        path=tuple(step.hex() for step in inclusion_path(nodes_of(leaves), index, LEAVES)),
        checkpoint=number,
        note=note,
    )


def check(receipt: Receipt, key: NoteKey) -> ReceiptNote:
    """-> the note that proves it. Raises ProofRefused or NoteRefused."""
    if sha256(receipt.entry.encode()).hexdigest() != receipt.entry_hash:
        raise ProofRefused("the entry is not the one whose hash the receipt names")
    if receipt.note is None or receipt.salt is None or receipt.index is None or receipt.path is None:
        raise ProofRefused("no checkpoint covers the entry yet: ask for the receipt again after the next one")
    found = ReceiptNote.parse(opened(receipt.note, key))
    if found.number != receipt.checkpoint:
        raise ProofRefused(f"the note is of checkpoint {found.number}, not of {receipt.checkpoint}")
    try:
        leaf = leaf_hash(bytes.fromhex(receipt.salt) + bytes.fromhex(receipt.entry_hash))
        path = [bytes.fromhex(step) for step in receipt.path]
    except ValueError as error:
        raise ProofRefused(f"the receipt is damaged: {error}") from None
    check_inclusion(leaf, receipt.index, LEAVES, path, found.root)
    return found
