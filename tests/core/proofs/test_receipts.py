"""Receipts: a client proves what is its own, offline, and learns nothing of anybody else (I12)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger.events import CLASSES, SHOWN, encode
from core.ledger.journal import TREASURY
from core.ledger.ledger import Ledger
from core.proofs.checkpoints import ReceiptNote
from core.proofs.merkle import ProofRefused, leaf_hash
from core.proofs.notes import NoteKey, NoteRefused, signed
from core.proofs.receipts import LEAVES, Entry, Receipt, check, entries_of, filled, proven, split, tree_root
from tests.core.record_events import example
from tests.support.history import ALICE, BOB, TickingClock, append_history
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey("counterfoil/test", PRIVATE.public_key().public_bytes_raw())
BLIND = bytes(range(32))
AT = datetime(2026, 11, 26, tzinfo=UTC)

UNSHOWN = {
    "command.refused/1": "it moved nothing, and its answer was the refusal",
    "command.refusals-counted/1": "it moved nothing, and its answers were the refusals",
    "payout.prepared/1": "its bytes are ours until they are broadcast",
    "payout.signed/1": "who has a signature can send what signing was stopped for",
}
"""Topics that name a client and are no entry of its."""


def stored(position: int, stream: str, version: int, topic: str, state: bytes) -> list[Entry]:
    return list(entries_of(position, stream, version, topic, json.loads(state)))


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    """All entries of the canonical history."""
    store = MemoryStore()
    append_history(Ledger(store, TickingClock()))
    return [
        entry
        for each in store.events
        for entry in stored(each.position, each.stream, each.version, *encode(each.event))
    ]


def receipt(entry: Entry, others: list[Entry]) -> Receipt:
    leaves = [each.leaf(BLIND) for each in [entry, *others]]
    number, part = next((n, part) for n, part in enumerate(split(leaves)) if entry.leaf(BLIND) in part)
    tree = filled(part, number, BLIND)
    note = signed(ReceiptNote(KEY.name, 7, AT, tree_root(tree)).text(), KEY, PRIVATE.sign)
    return proven(entry, BLIND, tree, note, 7, "token")


def test_every_entry_of_a_history_is_proven(entries: list[Entry]) -> None:
    """Each client's part of each event has a proof that the key's public half checks."""
    assert {entry.account_id for entry in entries} == {ALICE, BOB}
    for entry in entries:
        assert check(receipt(entry, [each for each in entries if each != entry]), KEY).number == 7


def test_an_entry_names_nobody_else(entries: list[Entry]) -> None:
    """No text of Alice's holds Bob's id, his name or a line of his book, nor the treasury's; and the other way round."""
    for entry in entries:
        text = entry.text.decode()
        other, name = (BOB, "Bob") if entry.account_id == ALICE else (ALICE, "Alice Ltd")
        assert name not in text
        assert TREASURY not in text
        assert "Custody_Control" not in text
        assert other not in text or json.loads(text)["to_account_id"] == other  # whom one pays one knows


def test_who_receives_a_transfer_sees_its_own_lines(entries: list[Entry]) -> None:
    """Bob sees what came into his book; which account of Alice's it came from is Alice's."""
    payer, payee = [entry for entry in entries if b"transfer-t2" in entry.text]
    assert (payer.account_id, payee.account_id) == (ALICE, BOB)
    assert json.loads(payer.text)["from_ledger_account"] == "end-user-7"
    assert set(json.loads(payee.text)) == {"account_id", "lines", "occurred_at", "stream", "topic", "version"}
    assert [line["account"] for line in json.loads(payee.text)["lines"]] == [
        "System_Hot_Wallet_Asset",
        "User_Liability",
    ]


@pytest.mark.parametrize("topic", sorted(CLASSES))
def test_what_a_client_is_shown_is_decided_for_every_event(topic: str) -> None:
    """An event that names a client is either shown to it, with fields it has, or kept back for a reason."""
    fields = CLASSES[topic].__struct_fields__
    if not {"account_id", "order"} & set(fields):
        assert topic not in SHOWN
        return
    assert (topic in SHOWN) != (topic in UNSHOWN)
    assert set(SHOWN.get(topic, ())) <= set(fields) - {"actor", "postings", "key_id", "signature", "attempt"}
    assert stored(1, "s", 1, *encode(example(CLASSES[topic]))) or topic in UNSHOWN


@given(st.integers(0, 3000))
def test_every_tree_has_the_same_number_of_leaves(count: int) -> None:
    """A path is as long on a quiet day as on a busy one, and every real leaf is in a tree."""
    leaves = [leaf_hash(b"%d" % number) for number in range(count)]
    parts = split(leaves)
    trees = [filled(part, number, BLIND) for number, part in enumerate(parts)]
    assert [len(tree) for tree in trees] == [LEAVES] * -(-count // LEAVES)
    assert {leaf for tree in trees for leaf in tree} >= set(leaves)
    assert all(tree == sorted(set(tree)) for tree in trees)


def test_two_equal_days_look_different() -> None:
    """The blind is drawn anew each time: no leaf and no filler of one checkpoint is seen in another."""
    entry = Entry(1, ALICE, b"{}")
    one, two = (set(filled([entry.leaf(blind)], 0, blind)) for blind in (BLIND, bytes(32)))
    assert not one & two


FORGERIES: list[Callable[[Receipt], Receipt]] = [
    lambda it: msgspec.structs.replace(it, entry=it.entry.replace("payin", "payout", 1)),
    lambda it: msgspec.structs.replace(it, entry_hash="00" * 32),
    lambda it: msgspec.structs.replace(it, salt="00" * 32),
    lambda it: msgspec.structs.replace(it, salt="zz"),
    lambda it: msgspec.structs.replace(it, index=(it.index or 0) ^ 1),
    lambda it: msgspec.structs.replace(it, index=LEAVES),
    lambda it: msgspec.structs.replace(it, path=(it.path or ())[1:]),
    lambda it: msgspec.structs.replace(it, path=("00" * 32, *(it.path or ())[1:])),
    lambda it: msgspec.structs.replace(it, path=("x", *(it.path or ())[1:])),
    lambda it: msgspec.structs.replace(it, checkpoint=8),
    lambda it: msgspec.structs.replace(it, note=(it.note or "").replace("\n7\n", "\n8\n"), checkpoint=8),
    lambda it: msgspec.structs.replace(it, note=None),
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_receipt_that_was_changed_is_refused(entries: list[Entry], forge: Callable[[Receipt], Receipt]) -> None:
    """Another entry, place, path or note proves nothing."""
    entry = next(each for each in entries if b"payin-" in each.text)
    with pytest.raises((ProofRefused, NoteRefused)):
        check(forge(receipt(entry, [])), KEY)
