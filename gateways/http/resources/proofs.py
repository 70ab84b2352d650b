"""Proofs: a client's receipts, which it checks offline; for the operator, checkpoints and proofs of inclusion and growth.

A receipt shows a client what is its own and no more: no position, no size of the history, nobody else (I12).
"""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC
from typing import Annotated, Any, Final, LiteralString

import msgspec
from pydantic import Field

from core.ledger.ledger import InvariantBroken
from core.ledger.refusals import NotFound
from core.proofs.merkle import HASH_BYTES
from core.proofs.receipts import Entry, entries_of, filled, proven
from core.proofs.receipts import Receipt as ProvenReceipt
from core.streams.accounts import OPERATOR
from gateways.http.answer import Answer, Position, Time, all_of, listed, of_row
from gateways.http.endpoint import NEWEST, Call, Reply, before, endpoint, page_reply, reply
from gateways.http.errors import PositionBeyondHead, RequestRefused, invalid
from gateways.http.fields import Page, Read
from projections.audit.history_tree import HistoryTree


class Receipt(Answer, frozen=True):
    """Proof that `entry`, the account's own part of an event, stands in the history. Hashes are hexadecimal.

    The leaf is SHA-256(0x00, salt, entry_hash); `path` leads from it, at `index` of 1,024, to the root in `note`, which is
    signed. Until a checkpoint covers the event, `entry` and `entry_hash` stand alone.
    """

    position: Position
    entry: str
    entry_hash: str
    salt: str | None = None
    index: int | None = None
    path: tuple[str, ...] | None = None
    checkpoint: int | None = None
    note: str | None = None


class VerificationKey(Answer, frozen=True):
    """A key that signs: `checkpoints` signs receipts as well. Compare it with the one that the operator gave you."""

    purpose: str
    key: str


class Checkpoint(Answer, frozen=True):
    """What was signed of the history: its size, its root, and the signed note itself."""

    number: int
    size: int
    root: str
    made_at: Time
    note: str


class CheckpointProof(Answer, frozen=True):
    """A checkpoint and, from an earlier one's size, the RFC 6962 proof that the history only grew."""

    number: int
    size: int
    root: str
    made_at: Time
    note: str
    since_size: int | None = None
    consistency: list[str] | None = None


class InclusionProof(Answer, frozen=True):
    """The RFC 6962 path from an event's leaf, at position - 1, to the root of the last checkpoint."""

    position: int
    leaf: str
    path: list[str]
    checkpoint: Checkpoint


class ReceiptsPage(Page):
    """The receipts of one object."""

    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """Which object: its stream, such as `payout-<id>`, `payin-<id>`, `transfer-<id>` or `deposit-<tx_hash>-<log_index>`."""


_CASED: Final = re.compile("T[1-9A-HJ-NP-Za-km-z]{33}")


_FACTS: Final[LiteralString] = (
    "SELECT notification_id AS position, originator_id AS stream, originator_version AS version, topic, state FROM events"
)


_EVENT: Final[LiteralString] = f"{_FACTS} WHERE notification_id = %(position)s"


_STREAM: Final[LiteralString] = (
    f"{_FACTS} WHERE originator_id = %(subject)s AND notification_id < %(before)s"
    " ORDER BY originator_version DESC LIMIT %(limit)s"
)


_COVERING: Final[LiteralString] = (
    "SELECT number, blind, receipts FROM checkpoints WHERE size >= %(position)s ORDER BY size LIMIT 1"
)


_TREE: Final[LiteralString] = (
    "SELECT number, leaves FROM receipt_trees WHERE checkpoint = %(checkpoint)s AND first_leaf <= %(leaf)s"
    " ORDER BY first_leaf DESC LIMIT 1"
)


_KEYS: Final[LiteralString] = "SELECT purpose, key FROM note_keys ORDER BY purpose, since"


_CHECKPOINTS: Final[LiteralString] = "SELECT number, size, root, made_at, note FROM checkpoints"


@endpoint("GET", "/v1/receipts/{position}", None, Receipt, refusals=(NotFound,))
async def get_receipt(call: Call, _: Read) -> Reply:
    """The receipt of what stands at a position that an answer to a write gave."""
    await of_the_history(call)
    rows = await call.api.queries.fetch(_EVENT, {"position": _position_in(call)})
    entries = [entry for row in rows for entry in _own_entries(call, row)]
    if not entries:
        raise RequestRefused(NotFound(noun="receipt"))
    return reply(await _receipt(call, entries[0]))


@endpoint("GET", "/v1/receipts", None, listed(Receipt), query=ReceiptsPage)
async def list_receipts(call: Call, page: ReceiptsPage) -> Reply:
    """The receipts of everything that happened to one object, newest first: `payout-<id>`, `deposit-<tx_hash>-<log_index>`."""
    await of_the_history(call)
    params = {"subject": _stream_of(page.subject), "before": before(call, page), "limit": page.limit + 1}
    rows = await call.api.queries.fetch(_STREAM, params)
    found = [(row.position, await _receipt(call, entry)) for row in rows for entry in _own_entries(call, row)]
    return page_reply(call, page, found)


@endpoint("GET", "/v1/verification-keys", None, all_of(VerificationKey))
async def list_verification_keys(call: Call, _: Read) -> Reply:
    """The public keys that receipts, checkpoints and statements are checked with."""
    await of_the_history(call)
    keys = [of_row(VerificationKey, row) for row in await call.api.queries.fetch(_KEYS)]
    signer = await asyncio.to_thread(lambda: call.api.slow_reads.signer)
    return reply(all_of(VerificationKey)([*keys, VerificationKey("statements", str(signer.key))]))


@endpoint("GET", "/v1/checkpoints", None, listed(Checkpoint), query=Page)
async def list_checkpoints(call: Call, page: Page) -> Reply:
    """Every signed checkpoint, newest first: keep some, and no history without them will ever pass as this one."""
    await of_the_history(call)
    rows = await call.api.queries.fetch(
        _CHECKPOINTS + " WHERE number < %(before)s ORDER BY number DESC LIMIT %(limit)s",
        {"before": before(call, page), "limit": page.limit + 1},
    )
    return page_reply(call, page, [(row.number, _checkpoint(row)) for row in rows])


@endpoint("GET", "/v1/checkpoints/{number}", OPERATOR, CheckpointProof, refusals=(NotFound,))
async def get_checkpoint(call: Call, _: Read) -> Reply:
    """One checkpoint, with the proof that the history only grew since the one before it."""
    await of_the_history(call)
    number = _number(call.path["number"])
    rows = await call.api.queries.fetch(
        _CHECKPOINTS + " WHERE number <= %(number)s ORDER BY number DESC LIMIT 2", {"number": number}
    )
    if not rows or rows[0].number != number:
        raise RequestRefused(NotFound(noun="checkpoint"))
    found = _checkpoint(rows[0])
    fields = {name: getattr(found, name) for name in Checkpoint.__struct_fields__}
    if len(rows) == 1:
        return reply(CheckpointProof(**fields))
    since = rows[1].size
    path = await asyncio.to_thread(_tree(call).consistency_path, since, found.size)
    return reply(CheckpointProof(**fields, since_size=since, consistency=[step.hex() for step in path]))


@endpoint("GET", "/v1/inclusion-proofs/{position}", OPERATOR, InclusionProof, refusals=(NotFound,))
async def get_inclusion_proof(call: Call, _: Read) -> Reply:
    """Where the event at a position stands in the tree of the last checkpoint."""
    await of_the_history(call)
    position = _number(call.path["position"])
    rows = await call.api.queries.fetch(
        _CHECKPOINTS + " WHERE size >= %(position)s ORDER BY number DESC LIMIT 1", {"position": position}
    )
    if not rows or position == 0:
        raise RequestRefused(NotFound(noun="event under a checkpoint"))
    checkpoint = _checkpoint(rows[0])
    leaf, path = await asyncio.to_thread(_tree(call).inclusion, position, checkpoint.size)
    return reply(InclusionProof(position, leaf.hex(), [step.hex() for step in path], checkpoint))


def _stream_of(subject: str) -> str:
    """Ids and hashes in any case; an address is written in one way only."""
    return subject if _CASED.search(subject) else subject.lower()


async def of_the_history(call: Call) -> None:
    """For answers that come from the history itself: they reflect its head."""
    call.position = await call.api.queries.head()
    if call.min_position is not None and call.min_position > call.position:
        raise RequestRefused(PositionBeyondHead())


def _own_entries(call: Call, row: Any) -> Iterator[Entry]:
    entries = entries_of(row.position, row.stream, row.version, row.topic, json.loads(row.state))
    return (entry for entry in entries if entry.account_id == call.account_id)


async def _receipt(call: Call, entry: Entry) -> Receipt:
    shown = call.shown(entry.position)
    rows = await call.api.queries.fetch(_COVERING, {"position": entry.position})
    if not rows:
        return Receipt(shown, entry.text.decode(), entry.hash.hex())
    [covering] = rows
    number, blind = covering.number, covering.blind
    leaf = entry.leaf(blind)
    trees = await call.api.queries.fetch(_TREE, {"checkpoint": number, "leaf": leaf})
    if not trees:
        raise InvariantBroken(f"the receipt trees of checkpoint {number} lack the event at position {entry.position}")
    [tree] = trees
    note = covering.receipts[tree.number]
    found = await asyncio.to_thread(_proven, entry, blind, tree.leaves, tree.number, note, number, shown)
    return Receipt(**msgspec.structs.asdict(found))


def _proven(
    entry: Entry, blind: bytes, part: bytes, place: int, note: str, number: int, position: Position
) -> ProvenReceipt:
    leaves = [part[at : at + HASH_BYTES] for at in range(0, len(part), HASH_BYTES)]
    return proven(entry, blind, filled(leaves, place, blind), note, number, position)


def _checkpoint(row: Any) -> Checkpoint:
    return of_row(Checkpoint, row, root=row.root.hex(), made_at=row.made_at.astimezone(UTC))


def _tree(call: Call) -> HistoryTree:
    return HistoryTree(call.api.platform.transaction)


def _position_in(call: Call) -> int:
    """Raises RequestRefused (404): what is no position of this caller's is no receipt of its either."""
    try:
        return call.api.positions.read(call.caller, call.path["position"])
    except RequestRefused:
        raise RequestRefused(NotFound(noun="receipt")) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise invalid("#", "the path names a number")
    return min(int(text), NEWEST)
