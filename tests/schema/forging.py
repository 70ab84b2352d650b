"""A forger's hands: an export's lines read, replaced and told anew, with hashes that fit."""

import json
from collections.abc import Callable
from typing import Any

from core.ledger.seals import GENESIS, canonical, seal_hash
from core.proofs.merkle import leaf_hash

ORDER = "positions run from 1 without a gap"
HASHES = "every event is the one whose hash is kept"
SEALS = "every event is sealed, and the seals chain"
CHECKPOINTS = "every checkpoint is signed and is of this history"
ARCHIVE = "the archive has this history's checkpoints"
RECEIPTS = "the receipts that clients hold are of this history"
ENTRIES = "every entry balances per book and currency, in amounts above zero"
ACCOUNTS = "every line is posted to an account that was opened"
LIABILITIES = "no client liability is negative at any position"
CUSTODY = "what clients may claim is what Custody_Control holds, at every position"
STREAMS = "every stream's versions run from 1, each once"
DEPOSITS = "every transfer is credited once, to its owner, for its amount"
PAYOUTS = "every payout leaves at most once, by bytes that were prepared for it"
INSTRUCTIONS = "what our wallets send each other leaves at most once, by bytes that were prepared for it, and is booked"
SWEEPS = "every sweep is from its address to a wallet of ours, by instructions that it gave"
OTHERS = "every other story is one that can be"
BALANCES = "balances are what the events make them"
GUARD = "the guard is what the events make it"


Lines = list[bytes]


def place(lines: Lines, position: int) -> int:
    """Where the event of a position stands in the export."""
    return next(at for at, line in enumerate(lines) if line.startswith(b'{"kind":"event","position":%d,' % position))


def find(lines: Lines, topic: str, number: int = 0) -> int:
    """The position of an event of a topic, the first or a later one."""
    marked = f'"topic":"{topic}"'.encode()
    return int(json.loads([line for line in lines if marked in line[:400]][number])["position"])


def replace(lines: Lines, position: int, old: bytes, new: bytes) -> None:
    at = place(lines, position)
    assert old in lines[at], lines[at]
    lines[at] = lines[at].replace(old, new)


def forge(lines: Lines, change: Callable[[list[dict[str, Any]]], object]) -> Lines:
    """What a forger with every right makes: other events, at positions without a gap, with hashes and one seal that fit."""
    events = [json.loads(line) for line in lines if line.startswith(b'{"kind":"event"')]
    change(events)
    rest = [line for line in lines if not line.startswith((b'{"kind":"event"', b'{"kind":"seal"'))]
    rows, written = [], []
    for position, it in enumerate(events, start=1):
        row = (
            position,
            it["stream"],
            it["version"],
            it["topic"],
            json.dumps(it["state"], separators=(",", ":")).encode(),
        )
        rows.append(row)
        known = f'{{"kind":"event","position":{position},"stream":"{row[1]}","version":{row[2]},"topic":"{row[3]}"'
        written.append(f'{known},"hash":"{leaf_hash(canonical(row)).hex()}","state":'.encode() + row[4] + b"}\n")
    seal = {"first": 1, "last": len(rows), "previous": GENESIS.hex(), "hash": seal_hash(GENESIS, rows).hex()}
    head = json.dumps({"kind": "seal", **seal}).encode() + b"\n"
    end = {"kind": "end", "head": len(rows), "events": len(rows), "seals": 1, "checkpoints": 0}
    header, *beside = [line for line in rest if not line.startswith((b'{"kind":"end"', b'{"kind":"checkpoint"'))]
    return [header, *written, head, *beside, json.dumps(end).encode() + b"\n"]


Story = Callable[[list[dict[str, Any]], Callable[[str], dict[str, Any]]], object]


def again(events: list[dict[str, Any]], event: dict[str, Any], **changes: Any) -> None:
    """The event once more at the end of its stream."""
    version = max(it["version"] for it in events if it["stream"] == event["stream"]) + 1
    copy = json.loads(json.dumps(event))
    copy["state"] |= changes
    events.append({**copy, "version": version})


def nth(events: list[dict[str, Any]], topic: str, number: int = 0) -> dict[str, Any]:
    """An event of a topic, the first or a later one."""
    return [it for it in events if it["topic"] == topic][number]


def move(events: list[dict[str, Any]], one: dict[str, Any], before: dict[str, Any]) -> None:
    """Tell one event before another."""
    events.remove(one)
    events.insert(events.index(before), one)
