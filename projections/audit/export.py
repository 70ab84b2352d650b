"""The history as NDJSON: every event as it is stored, seals, checkpoints, and what the tables say, for whoever trusts nobody.

schema/verify.py, which shares no line with this program, checks such a file. One snapshot and one time give the same bytes.

    header with the time of the export, then by position: event, seal behind its last event, checkpoint behind its last event,
    balances at their bookmark; guard rows, end. Before an event that is set aside stands why: it is in no view, or not in
    those named.

`state` is the last field of an event line and stands there byte for byte as it was hashed; where it holds a line break,
which no event of this program does, it stands as the string `text` instead. `hash` is the leaf that the Merkle tree holds.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from psycopg import Connection, IsolationLevel
from psycopg.rows import class_row

from core.ledger.events import SHOWN, NewerFormat, UnknownTopic, newest_level
from core.ledger.history import SetAside, read
from core.ledger.journal import TREASURY, TREASURY_ACCOUNT_ID
from core.ledger.seals import Seal, Sealed, canonical
from core.proofs.checkpoints import shown as shown_time
from core.proofs.merkle import TILE_WIDTH, hashes_in, leaf_hash
from projections.audit.checkpoints import COLUMNS, SignedCheckpoint
from projections.named import rows, structs
from projections.stored_events import all_events

FORMAT: Final = "counterfoil-export/1"
_FETCH: Final = 5_000

_SEALS: Final = (
    "SELECT first_position AS first, last_position AS last, previous_hash AS previous, hash"
    " FROM seals ORDER BY last_position"
)
_CHECKPOINTS: Final = f"SELECT {COLUMNS} FROM checkpoints ORDER BY number"
_TILE: Final = "SELECT hashes FROM merkle_tiles WHERE level = 0 AND index = %s"
_KEYS: Final = "SELECT purpose, key FROM note_keys ORDER BY purpose, since"
_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM events"
_BOOKMARK: Final = "SELECT notification_id FROM projection_tracking WHERE application_name = 'balances'"
_BALANCES: Final = (
    "SELECT account_id, code, currency, type, amount_minor, pending_minor FROM balances"
    " ORDER BY account_id, code, currency"
)
_NEWER_FROM: Final = "SELECT min(since) AS since FROM format_levels WHERE level > %s"
_LEFT_OUT: Final = 'SELECT "position", view, reason FROM set_aside_events WHERE view <> \'\' ORDER BY "position", view'
_GUARD: Final = "SELECT ledger_account_id, currency, balance_minor FROM guard ORDER BY ledger_account_id, currency"

Line = bytes


def export(conn: Connection[Any], made_at: datetime) -> Iterator[Line]:
    """Every line, its line break included, in an export of that time.

    `conn` needs a reader's rights; it must be outside a transaction. Raises NewerFormat where a newer version has written on:
    this program cannot say what of that is left out, or shown.
    """
    with snapshot(conn):
        [beyond] = rows(conn, _NEWER_FROM, (newest_level(),)).fetchall()
        if beyond.since is not None:
            raise NewerFormat(beyond.since, "format level beyond this program's")
        yield from _Export(conn).lines(made_at)


@contextmanager
def snapshot(conn: Connection[Any]) -> Iterator[None]:
    """One moment of the database, and nothing written in it."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    conn.read_only = True
    try:
        with conn.transaction():
            yield
    finally:
        conn.isolation_level = None
        conn.read_only = None


class _Export:
    """What stands beside the events, each waiting for its position."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn
        self._counts = {"events": 0, "seals": 0, "checkpoints": 0}
        self._tile: tuple[int, list[bytes]] = (-1, [])
        self._left_out: dict[int, dict[str, str]] = {}

    def lines(self, made_at: datetime) -> Iterator[Line]:
        head = self._number(_HEAD)
        keys = [{"purpose": row.purpose, "key": row.key} for row in rows(self._conn, _KEYS)]
        shown = {topic: list(fields) for topic, fields in SHOWN.items()}
        known = {"format": FORMAT, "made_at": shown_time(made_at), "head": head}
        yield _line({"kind": "header", **known, "keys": keys, "shown": shown})
        for row in rows(self._conn, _LEFT_OUT):
            self._left_out.setdefault(row.position, {})[row.view] = row.reason
        yield from self._history()
        for row in rows(self._conn, _GUARD):
            fields = row._asdict() | {"ledger_account_id": str(row.ledger_account_id)}
            yield _line({"kind": "guard", "position": head, **fields})
        yield _line({"kind": "end", "head": head, **self._counts})

    def _history(self) -> Iterator[Line]:
        bookmark = self._number(_BOOKMARK)
        if bookmark == 0:
            yield from self._balances(0)
        with self._conn.cursor("seals", row_factory=class_row(Seal)) as seals:
            seals.itersize = _FETCH
            seals.execute(_SEALS)
            checkpoints = structs(self._conn, SignedCheckpoint, _CHECKPOINTS, binary=True)
            seal, checkpoint = seals.fetchone(), checkpoints.fetchone()
            position = 0
            for stored in all_events(self._conn):
                position, *_ = stored
                self._counts["events"] += 1
                yield from self._set_aside(stored)
                yield self._event(stored)
                while checkpoint is not None and checkpoint.size <= position:
                    yield self._checkpoint(checkpoint)
                    checkpoint = checkpoints.fetchone()
                while seal is not None and seal.last <= position:
                    yield self._seal(seal)
                    seal = seals.fetchone()
                if position == bookmark:
                    yield from self._balances(position)
            while checkpoint is not None:  # of a history whose end is gone: whoever reads this shall see it
                yield self._checkpoint(checkpoint)
                checkpoint = checkpoints.fetchone()
            while seal is not None:
                yield self._seal(seal)
                seal = seals.fetchone()

    def _set_aside(self, stored: Sealed) -> Iterator[Line]:
        """Why this event is left out, if it is. One of a newer version is not: this program does not know it, no more."""
        position, stream, _, topic, state = stored
        try:
            event = read(stream, topic, state)
        except UnknownTopic:
            return
        views = self._left_out.get(position, {})
        if isinstance(event, SetAside):
            yield _line({"kind": "set_aside", "position": position, "reason": event.reason, "views": []})
        elif views:
            reason = "; ".join(dict.fromkeys(views.values()))
            yield _line({"kind": "set_aside", "position": position, "reason": reason, "views": list(views)})

    def _event(self, stored: Sealed) -> Line:
        position, stream, version, topic, state = stored
        leaf = self._leaf(position) or leaf_hash(canonical(stored))
        known = f'{{"kind":"event","position":{position},"stream":{_text(stream)},"version":{version}'
        rest = b'"state":' + state
        if b"\n" in state or b"\r" in state:
            rest = b'"text":' + _text(state.decode()).encode()
        return f'{known},"topic":{_text(topic)},"hash":"{leaf.hex()}",'.encode() + rest + b"}\n"

    def _seal(self, seal: Seal) -> Line:
        self._counts["seals"] += 1
        hashes = {"previous": seal.previous.hex(), "hash": seal.hash.hex()}
        return _line({"kind": "seal", "first": seal.first, "last": seal.last, **hashes})

    def _checkpoint(self, kept: SignedCheckpoint) -> Line:
        self._counts["checkpoints"] += 1
        notes = {"note": kept.note, "receipts": kept.receipts}
        return _line(
            {"kind": "checkpoint", "number": kept.number, "size": kept.size, "blind": kept.blind.hex(), **notes}
        )

    def _balances(self, position: int) -> Iterator[Line]:
        for row in rows(self._conn, _BALANCES):
            yield _line(
                {
                    "kind": "balance",
                    "position": position,
                    "book": TREASURY if row.account_id == TREASURY_ACCOUNT_ID else str(row.account_id),
                    "account": row.code,
                    "type": row.type,
                    "currency": row.currency,
                    "amount_minor": row.amount_minor,
                    "pending_minor": row.pending_minor,
                }
            )

    def _leaf(self, position: int) -> bytes | None:
        """What the tree holds for a position, if it has come so far."""
        index, place = divmod(position - 1, TILE_WIDTH)
        known, hashes = self._tile
        if known != index:
            hashes = hashes_in(b"".join(tile for (tile,) in self._conn.execute(_TILE, (index,), binary=True)))
            self._tile = index, hashes
        return hashes[place] if place < len(hashes) else None

    def _number(self, query: str) -> int:
        return next((int(number) for (number,) in self._conn.execute(query)), 0)


def _line(content: dict[str, Any]) -> Line:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
