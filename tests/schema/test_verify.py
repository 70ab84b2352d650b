"""The stand-alone verifier: an honest export holds, and every kind of tampering is found and named by position.

It runs in an isolated Python (-I) that can import nothing of ours.
"""

import ast
import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ledger.books import TREASURY_CHART
from core.ledger.ledger import Ledger
from core.ledger.seals import GENESIS, canonical, seal_hash
from core.proofs.merkle import leaf_hash
from core.proofs.notes import NoteKey
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from tests.support.checkpoints import Desk
from tests.support.exports import HEAD, VERIFIER, exported, signed_history, verdict, verifier
from tests.support.history import ALICE, ALICE_ADDRESS, BOB, execute
from tests.support.postgres import Database
from tests.support.topics import readable
from tests.support.treasury import append_treasury, wallet_batches
from tests.support.views import project

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


@pytest.fixture
def desk(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Iterator[Desk]:
    """A history of 320 events under three checkpoints: at 120, 220 and 310."""
    with signed_history(database, ledger, store, tracking, tmp_path) as made:
        yield made


@pytest.fixture
def lines(database: Database, desk: Desk) -> Lines:
    """Its export."""
    return exported(database)


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


def test_it_is_one_file_of_the_standard_library() -> None:
    """It imports nothing but what Python itself brings, and nobody imports it."""
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names)
    assert {"core", "projections", "gateways"} & imported == set()


def test_an_honest_export_holds(database: Database, desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Nothing is wrong, and the same database gives the same bytes again."""
    found = verdict(lines, tmp_path, desk)
    assert (found.exit_code, found.wrong) == (0, {})
    assert "320 events" in found.notes[0]
    assert exported(database) == lines


def test_it_tells_a_person(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Without --json it prints a line a check; a finding has its position; the exit code says whether all holds."""
    path = tmp_path / "export.ndjson"
    for changed, code in ((False, 0), (True, 1)):
        if changed:
            replace(lines, 150, b"opening", b"opened!")
        path.write_bytes(b"".join(lines))
        command = [sys.executable, "-I", str(VERIFIER), "history", str(path), "--key", str(desk.signer.key)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert f"{'WRONG' if changed else 'holds'}  {HASHES}" in done.stdout
        assert ("position 150: the event is not the one that was kept" in done.stdout) == changed


def everywhere(lines: Lines, old: bytes, new: bytes) -> None:
    assert any(old in line for line in lines), old
    lines[:] = [line.replace(old, new) for line in lines]


def drop(lines: Lines, marked: bytes) -> None:
    """Remove the first line that has the mark."""
    lines.pop(next(at for at, line in enumerate(lines) if marked in line[:300]))


def cut(lines: Lines, position: int) -> None:
    """Everything from an event on is gone."""
    del lines[place(lines, position) :]


def swap(lines: Lines, one: int, other: int) -> None:
    """Two events change places in the file, and keep their positions."""
    first, second = place(lines, one), place(lines, other)
    lines[first], lines[second] = lines[second], lines[first]


def exchange(lines: Lines, one: int, other: int) -> None:
    """Two events take each other's position."""
    first, second = place(lines, one), place(lines, other)
    here, there = b'"position":%d,' % one, b'"position":%d,' % other
    lines[first], lines[second] = lines[second].replace(there, here), lines[first].replace(here, there)


TAMPERINGS: dict[str, tuple[Callable[[Lines], object], dict[str, int]]] = {
    "a changed byte": (lambda it: replace(it, 150, b"opening", b"Opening"), {HASHES: 150, SEALS: 121}),
    "a changed amount": (lambda it: replace(it, 150, b"1000000", b"1000001"), {HASHES: 150, BALANCES: HEAD, GUARD: HEAD}),
    "a changed stream": (lambda it: replace(it, 150, b'"stream":"adj', b'"stream":"abj'), {HASHES: 150}),
    "a changed version": (lambda it: replace(it, 150, b'"version":1', b'"version":2'), {HASHES: 150, STREAMS: 150}),
    "a changed topic": (lambda it: replace(it, 150, b"posted/1", b"posted/2"), {HASHES: 150}),
    "a line of another form": (lambda it: replace(it, 150, b'"hash":', b'"hush":'), {ORDER: 149}),
    "a state that is no JSON": (lambda it: replace(it, 150, b'"reason":', b'"reason"'), {HASHES: 150, OTHERS: 150}),
    "a removed event": (lambda it: drop(it, b'"position":150,'), {ORDER: 150}),
    "several removed events": (lambda it: [drop(it, b'"position":%d,' % at) for at in range(150, 155)], {ORDER: 150}),
    "a doubled event": (lambda it: it.insert(place(it, 150), it[place(it, 150)]), {ORDER: 150}),
    "a reordered pair": (lambda it: swap(it, 150, 151), {ORDER: 150}),
    "a pair that exchanged positions": (lambda it: exchange(it, 150, 151), {HASHES: 151, SEALS: 121}),
    "a truncated tail": (lambda it: cut(it, 300), {ORDER: 299, ARCHIVE: 299}),
    "a line cut in two": (lambda it: (cut(it, 300), it.append(b'{"kind":"event","position":300')), {ORDER: 299}),
    "a forged balance": (
        lambda it: everywhere(it, b'"amount_minor":2000000,"pending', b'"amount_minor":2000009,"pending'),
        {BALANCES: HEAD},
    ),
    "a forged pending amount": (
        lambda it: everywhere(it, b'"pending_minor":1000000', b'"pending_minor":0'),
        {BALANCES: HEAD},
    ),
    "a removed balance": (lambda it: drop(it, b'"account":"Suspense"'), {BALANCES: HEAD}),
    "a forged guard row": (lambda it: everywhere(it, b'"balance_minor":2000000', b'"balance_minor":9'), {GUARD: HEAD}),
    "a removed guard row": (lambda it: drop(it, b'{"kind":"guard"'), {GUARD: HEAD}),
    "a removed seal": (lambda it: drop(it, b'"seal","first":121,'), {SEALS: 221, ORDER: HEAD}),
    "a seal over other positions": (
        lambda it: everywhere(it, b'"seal","first":121,', b'"seal","first":122,'),
        {SEALS: 122},
    ),
    "a seal that names another": (lambda it: everywhere(it, b'121,"last":220,"previous":"', b'121,"last":220,"previous":"00'),
                                  {SEALS: 121}),
    "a removed checkpoint": (lambda it: drop(it, b'"checkpoint","number":2,'), {CHECKPOINTS: 310, ORDER: HEAD}),
    "a checkpoint of another size": (
        lambda it: everywhere(it, b'"number":2,"size":220', b'"number":2,"size":219'),
        {CHECKPOINTS: 219},
    ),
    "a changed note": (lambda it: everywhere(it, b"number 2", b"number 3"), {CHECKPOINTS: 220}),
    "another blind": (lambda it: everywhere(it, b'"blind":"00', b'"blind":"ff'), {RECEIPTS: 120}),
    "another ending": (lambda it: everywhere(it, b'"events":320', b'"events":321'), {ORDER: HEAD}),
}  # fmt: skip
"""What was done to the export -> the checks that must find it, and the position that each must name."""


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_what_was_tampered_with_is_named(desk: Desk, lines: Lines, tmp_path: Path, kind: str) -> None:
    """Each kind of tampering with an export fails the checks that are about it, and the position is named."""
    tamper, expected = TAMPERINGS[kind]
    tamper(lines)
    found = verdict(lines, tmp_path, desk)
    assert found.exit_code == 1
    for check, position in expected.items():
        assert check in found.wrong, found
        assert position in [named for named, _ in found.wrong[check]], found


def test_a_changed_database_is_named_by_its_export(database: Database, desk: Desk, tmp_path: Path) -> None:
    """An event that was changed in the database itself differs in the export from the hash that the tree has kept."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("ALTER TABLE events DISABLE TRIGGER USER")
        conn.execute("UPDATE events SET state = replace(state, 'opening', 'opened!') WHERE notification_id = 150")
    found = verdict(exported(database), tmp_path, desk)
    assert [position for position, _ in found.wrong[HASHES]] == [150]


def test_a_rewritten_history_does_not_fit_what_was_signed(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Who rewrites an event, every hash and every seal fools the chain: what was signed, and the archive, are not fooled."""
    forged = forge(lines, lambda events: events[149]["state"].__setitem__("reason", "another reason"))
    checkpoints = [line for line in lines if line.startswith(b'{"kind":"checkpoint"')]
    kept = [*forged]
    for line in checkpoints:
        size = json.loads(line)["size"]
        kept.insert(place(kept, size) + 1, line)
    kept[-1] = kept[-1].replace(b'"checkpoints": 0', b'"checkpoints": 3')
    found = verdict(kept, tmp_path, desk)
    assert set(found.wrong) == {CHECKPOINTS, ARCHIVE}
    assert found.wrong[CHECKPOINTS][0][0] == 220
    assert [position for position, _ in found.wrong[ARCHIVE]] == [220, 310]
    without = verdict(forged, tmp_path, desk)
    assert [position for position, _ in without.wrong[ARCHIVE]] == [120, 220, 310]


def test_a_shortened_history_does_not_fit_the_archive(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """An export of a database whose end is gone, in every table alike, is whole in itself: the archive tells."""
    balances = (b'{"kind":"balance"', b'{"kind":"guard"', b'{"kind":"end"')
    shortened = [line for line in lines[: place(lines, 121)] if not line.startswith(balances)]
    end = {"kind": "end", "head": 120, "events": 120, "checkpoints": 1}
    end["seals"] = sum(line.startswith(b'{"kind":"seal"') for line in shortened)
    found = verdict([*shortened, json.dumps(end).encode() + b"\n"], tmp_path, desk)
    assert set(found.wrong) == {ARCHIVE, BALANCES, GUARD}
    assert found.wrong[ARCHIVE][0][0] == 120
    assert "the history ends at 120" in found.wrong[ARCHIVE][0][1]


def test_signatures_of_another_key_are_none(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Whoever has the right key by hand is not taken in by a history that somebody else signed."""
    desk.signer.key = NoteKey(desk.signer.key.name, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    found = verdict(lines, tmp_path, desk)
    assert [position for position, _ in found.wrong[CHECKPOINTS]] == [120, 220, 310]
    assert ARCHIVE in found.wrong


Story = Callable[[list[dict[str, Any]], Callable[[str], dict[str, Any]]], object]


def again(events: list[dict[str, Any]], event: dict[str, Any], **changes: Any) -> None:
    """The event once more at the end of its stream."""
    version = max(it["version"] for it in events if it["stream"] == event["stream"]) + 1
    copy = json.loads(json.dumps(event))
    copy["state"] |= changes
    events.append({**copy, "version": version})


def refusal(transfer: dict[str, Any]) -> dict[str, Any]:
    """What looks like a refusal and has a transfer's lines."""
    state = {name: transfer["state"][name] for name in ("occurred_at", "actor", "account_id", "postings")}
    return {
        "stream": "refusal-1",
        "version": 1,
        "topic": "command.refused/1",
        "state": {**state, "code": "account_suspended"},
    }


STORIES: dict[str, tuple[Story, str]] = {
    "a deposit credited twice": (lambda events, the: again(events, the("deposit.confirmed/1")), DEPOSITS),
    "a transfer under two names": (
        lambda events, the: events.append({**the("deposit.confirmed/1"), "stream": "deposit-again-0", "version": 1}),
        DEPOSITS,
    ),
    "a deposit of another amount": (
        lambda events, the: the("deposit.confirmed/1")["state"]["transfer"].__setitem__("amount_minor", 1),
        DEPOSITS,
    ),
    "a deposit to somebody else": (
        lambda events, the: the("address.assigned/1")["state"].__setitem__("account_id", BOB),
        DEPOSITS,
    ),
    "an address given twice": (lambda events, the: again(events, the("address.assigned/1")), OTHERS),
    "a payout confirmed twice": (lambda events, the: again(events, the("payout.confirmed/1")), PAYOUTS),
    "a payout confirmed by bytes nobody prepared": (
        lambda events, the: the("payout.confirmed/1")["state"].__setitem__("txid", "00" * 32),
        PAYOUTS,
    ),
    "a payout of another amount": (
        lambda events, the: the("payout.requested/1")["state"]["order"].__setitem__("amount_minor", 5),
        PAYOUTS,
    ),
    "bytes that are not those of the transaction id": (
        lambda events, the: the("payout.prepared/1")["state"]["attempt"].__setitem__("raw_data", "00"),
        PAYOUTS,
    ),
    "an attempt beside one that lives": (
        lambda events, the: events.remove(the("payout.expired/2")),
        PAYOUTS,
    ),
    "a proof of death that is too short": (
        lambda events, the: the("payout.expired/2")["state"]["proof"].__setitem__("last_timestamp_ms", 5),
        PAYOUTS,
    ),
    "a proof of death with a gap": (
        lambda events, the: the("payout.expired/2")["state"]["proof"].__setitem__("blocks", 49),
        PAYOUTS,
    ),
    "a payout signed before it was prepared": (lambda events, the: events.remove(the("payout.prepared/1")), PAYOUTS),
    "a refund that is larger": (
        lambda events, the: [line.__setitem__("amount_minor", 9) for line in the("payout.failed/1")["state"]["postings"][:2]],
        PAYOUTS,
    ),
    "a cancelled payout that gives back nothing": (
        lambda events, the: the("payout.cancelled/1")["state"].__setitem__("postings", []),
        PAYOUTS,
    ),
    "an unbalanced entry": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][0].__setitem__("amount_minor", 7),
        ENTRIES,
    ),
    "a negative amount": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][0].__setitem__("amount_minor", -7),
        ENTRIES,
    ),
    "a fraction of a unit": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][0].__setitem__("amount_minor", 1.5),
        ENTRIES,
    ),
    "claims that nobody holds coins for": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"].__delitem__(slice(2, None)),
        CUSTODY,
    ),
    "a ledger account that was never opened": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][1].__setitem__("account", "Nowhere"),
        ACCOUNTS,
    ),
    "a client in the red": (
        lambda events, the: [
            line.__setitem__("side", "credit" if line["side"] == "debit" else "debit")
            for line in the("adjustment.posted/1")["state"]["postings"]
        ],
        LIABILITIES,
    ),
    "a transfer of another amount": (
        lambda events, the: the("transfer.posted/1")["state"].__setitem__("amount_minor", 5),
        OTHERS,
    ),
    "a refused command that moves money": (lambda events, the: events.append(refusal(the("transfer.posted/1"))), OTHERS),
    "a stream with a hole": (lambda events, the: the("payout.broadcast/1").__setitem__("version", 9), STREAMS),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORIES)
def test_a_story_that_cannot_be_is_named(desk: Desk, lines: Lines, tmp_path: Path, kind: str) -> None:
    """A history that is sealed and hashed as it should be, but tells what must not happen, is found by what it tells."""
    tell, check = STORIES[kind]

    def change(events: list[dict[str, Any]]) -> None:
        tell(events, lambda topic: next(it for it in events if it["topic"] == topic))

    found = verdict(forge(lines, change), tmp_path, desk, archive=False)
    assert found.exit_code == 1
    assert check in found.wrong, found
    assert {ORDER, HASHES, SEALS} & set(found.wrong) == set()
    assert all(1 <= position <= HEAD + 1 for position, _ in found.wrong[check])


def nth(events: list[dict[str, Any]], topic: str, number: int = 0) -> dict[str, Any]:
    """An event of a topic, the first or a later one."""
    return [it for it in events if it["topic"] == topic][number]


def move(events: list[dict[str, Any]], one: dict[str, Any], before: dict[str, Any]) -> None:
    """Tell one event before another."""
    events.remove(one)
    events.insert(events.index(before), one)


TREASURY_STORIES: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "an instruction that no sweep announced": (
        lambda events: events.remove(nth(events, "sweep.fuelling/1")),
        INSTRUCTIONS,
    ),
    "an instruction of a sweep that nobody planned": (
        lambda events: nth(events, "instruction.given/1")["state"]["instruction"].__setitem__("serves", "sweep-none"),
        SWEEPS,
    ),
    "a sweep to somebody else": (
        lambda events: nth(events, "instruction.given/1", 2)["state"]["instruction"]["act"].__setitem__("to", "TX"),
        INSTRUCTIONS,
    ),
    "a loan that goes elsewhere": (
        lambda events: nth(events, "instruction.given/1", 1)["state"]["instruction"]["act"].__setitem__("receiver", "TX"),
        INSTRUCTIONS,
    ),
    "stake taken back from another address": (
        lambda events: nth(events, "instruction.given/1", 3)["state"]["instruction"]["act"].__setitem__("receiver", "TX"),
        INSTRUCTIONS,
    ),
    "bytes that are not those of their id": (
        lambda events: nth(events, "instruction.prepared/1")["state"]["attempt"].__setitem__("raw_data", "00"),
        INSTRUCTIONS,
    ),
    "an attempt beside one that lives": (lambda events: events.remove(nth(events, "instruction.expired/1")), INSTRUCTIONS),
    "a proof of death with a gap": (
        lambda events: nth(events, "instruction.expired/1")["state"]["proof"].__setitem__("blocks", 49),
        INSTRUCTIONS,
    ),
    "signed before it was prepared": (
        lambda events: move(events, nth(events, "instruction.signed/1"), nth(events, "instruction.prepared/1")),
        INSTRUCTIONS,
    ),
    "confirmed twice": (lambda events: again(events, nth(events, "instruction.confirmed/1")), INSTRUCTIONS),
    "confirmed by bytes nobody prepared": (
        lambda events: nth(events, "instruction.confirmed/1")["state"].__setitem__("txid", "00" * 32),
        INSTRUCTIONS,
    ),
    "more burned than was booked": (
        lambda events: nth(events, "instruction.confirmed/1")["state"].__setitem__("burned_sun", 5),
        INSTRUCTIONS,
    ),
    "a failure that moves coins": (
        lambda events: nth(events, "instruction.failed/1")["state"].__setitem__(
            "postings", nth(events, "instruction.confirmed/1")["state"]["postings"]
        ),
        INSTRUCTIONS,
    ),
    "given up is another": (
        lambda events: nth(events, "instruction.withdrawn/1")["state"]["instruction"].__setitem__("owner", "TX"),
        INSTRUCTIONS,
    ),
    "stake that returns larger": (
        lambda events: nth(events, "instruction.confirmed/1", 6)["state"].__setitem__("returned_sun", 10**12),
        INSTRUCTIONS,
    ),
    "own coins booked as somebody's": (
        lambda events: [
            line.__setitem__("account", "Suspense")
            for line in nth(events, "deposit.confirmed/1", -2)["state"]["postings"] if line["side"] == "credit"
        ],
        DEPOSITS,
    ),
    "a sweep to a wallet that nobody registered": (
        lambda events: nth(events, "sweep.planned/1")["state"]["sweep"].__setitem__("to", "TX"),
        SWEEPS,
    ),
    "two sweeps of an address at once": (lambda events: events.remove(nth(events, "sweep.released/1")), SWEEPS),
    "a sweep of an address that is set aside": (lambda events: events.remove(nth(events, "address.released/1")), SWEEPS),
    "a sweep that begins with its third": (
        lambda events: nth(events, "sweep.planned/1", 2)["state"]["sweep"].__setitem__("number", 7),
        SWEEPS,
    ),
    "the next step while the last is under way": (
        lambda events: move(events, nth(events, "sweep.fuelling/1", 1), nth(events, "instruction.confirmed/1")),
        SWEEPS,
    ),
    "a sweep confirmed with another amount": (
        lambda events: nth(events, "sweep.confirmed/1")["state"].__setitem__("amount_minor", 1),
        SWEEPS,
    ),
    "a sweep that failed though its transfer did not": (
        lambda events: nth(events, "sweep.failed/1")["state"].__setitem__("txid", "00" * 32),
        SWEEPS,
    ),
    "a sweep put off twice": (lambda events: again(events, nth(events, "sweep.deferred/1")), SWEEPS),
    "a sweep that gives back what nobody lent": (lambda events: again(events, nth(events, "sweep.released/1")), SWEEPS),
    "an address let go twice": (lambda events: again(events, nth(events, "address.released/1")), OTHERS),
    "destroyed coins that were more": (
        lambda events: nth(events, "token.funds-destroyed/2")["state"]["notice"].__setitem__("amount_minor", 5),
        OTHERS,
    ),
}  # fmt: skip


@pytest.fixture
def treasury_desk(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Iterator[Desk]:
    """A history with all that our wallets do, under one checkpoint."""
    append_treasury(ledger)
    for batch in wallet_batches():
        execute(ledger, *batch)
    made = Desk(database, tmp_path / "archive")
    made.sign_now()
    project(store, tracking)
    yield made
    made.login.close()


@pytest.fixture
def treasury_lines(database: Database, treasury_desk: Desk) -> Lines:
    """Its export."""
    return exported(database)


def test_an_honest_treasury_holds(treasury_desk: Desk, treasury_lines: Lines, tmp_path: Path) -> None:
    """Sweeps, loans, stake, cold storage: every event is known, and every story can be."""
    found = verdict(treasury_lines, tmp_path, treasury_desk)
    assert (found.exit_code, found.wrong) == (0, {})
    assert not [note for note in found.notes if "not known" in note]


@pytest.mark.parametrize("kind", TREASURY_STORIES)
def test_a_treasury_s_story_that_cannot_be_is_named(treasury_lines: Lines, tmp_path: Path, kind: str) -> None:
    """As for clients: what is hashed and sealed as it should be is found by what it tells."""
    change, check = TREASURY_STORIES[kind]
    found = verdict(forge(treasury_lines, change), tmp_path)
    assert found.exit_code == 1
    assert check in found.wrong, found
    assert {ORDER, HASHES, SEALS} & set(found.wrong) == set()


@pytest.mark.fast
def test_it_knows_every_event_and_every_account_of_the_treasury() -> None:
    """A type of event, or an account of ours, that is added to the program is added to the verifier."""
    module = verifier()
    known = {topic.encode() for topic in readable()}
    assert known == {*module.STORIES, *module.PLAIN} & known
    assert {*module.STORIES, *module.PLAIN} <= known
    assert {code: kind for code, (kind, _) in TREASURY_CHART.items()} == module.TREASURY


def test_an_unknown_event_is_listed_and_its_lines_count(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """A type this file does not know is no error; what it posts is checked like all that is posted."""

    def sweep(amount: int) -> Callable[[list[dict[str, Any]]], None]:
        names = ("book", "account", "side", "amount_minor", "currency")
        postings = [
            dict(zip(names, ("treasury", "Hot_Wallet_Asset", "debit", 5, "TRX"), strict=True)),
            dict(zip(names, ("treasury", "Gas_Wallet_Asset", "credit", amount, "TRX"), strict=True)),
        ]
        state = {"occurred_at": "2026-02-01T00:00:00Z", "actor": "system:x", "postings": postings}
        return lambda events: events.append({"stream": "sweep-1", "version": 1, "topic": "swept.up/1", "state": state})

    found = verdict(forge(lines, sweep(5)), tmp_path, desk, archive=False)
    assert "swept.up/1 (1 events) is not known to this verifier: postings checked, story not" in found.notes
    assert set(found.wrong) == {BALANCES}  # the table was made before it
    found = verdict(forge(lines, sweep(6)), tmp_path, desk, archive=False)
    assert found.wrong[ENTRIES] == [(HEAD + 1, "book treasury is off by -1 TRX")]


def test_every_check_is_reached(desk: Desk) -> None:
    """Each check of the verifier fails in some test above."""
    source = VERIFIER.read_text(encoding="utf-8")
    reached = {check for _, expected in TAMPERINGS.values() for check in expected} | {
        check for _, check in (*STORIES.values(), *TREASURY_STORIES.values())
    }
    assert all(check in source for check in reached)
    assert reached == {ORDER, HASHES, SEALS, CHECKPOINTS, ARCHIVE, RECEIPTS, ENTRIES, ACCOUNTS, LIABILITIES, CUSTODY,
                       STREAMS, DEPOSITS, PAYOUTS, INSTRUCTIONS, SWEEPS, OTHERS, BALANCES, GUARD}  # fmt: skip


@pytest.mark.fast
@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.data())
def test_its_ed25519_is_the_worlds(seed: bytes, message: bytes, data: st.DataObject) -> None:
    """It accepts what the library signs, and nothing where a bit of message, signature or key differs."""
    module = verifier()
    private = Ed25519PrivateKey.from_private_bytes(seed)
    note_key = NoteKey("test", private.public_key().public_bytes_raw())
    key, signature = module.Key(str(note_key)), private.sign(message)
    assert key.verifies(message, signature)
    bit = data.draw(st.integers(0, 511))
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not key.verifies(message, bytes(flipped))
    assert not key.verifies(message + b"x", signature)
    with pytest.raises(ValueError, match="id does not belong"):
        module.Key(str(note_key).replace("test", "tost", 1))


@pytest.mark.fast
def test_rfc_8032s_own_vectors() -> None:
    """TEST 1 to 3 of section 7.1, and a signature whose s is not reduced."""
    module = verifier()
    for public, message, signature in (
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ):
        key = module.Key(str(NoteKey("rfc", bytes.fromhex(public))))
        raw = bytes.fromhex(signature)
        assert key.verifies(bytes.fromhex(message), raw)
        s = int.from_bytes(raw[32:], "little") + module.L
        assert not key.verifies(bytes.fromhex(message), raw[:32] + s.to_bytes(32, "little"))


@pytest.mark.fast
def test_what_is_no_key_is_refused() -> None:
    """Text that is no key, or no point of the curve, is named."""
    module = verifier()
    off_the_curve = NoteKey("n", (2).to_bytes(32, "little"))
    for text in ("", "n+00000000+AQ==", str(off_the_curve), base64.b64encode(bytes(33)).decode()):
        with pytest.raises(ValueError, match="is no Ed25519 verifier key"):
            module.Key(text)


def test_alice_s_history_has_her_address(lines: Lines) -> None:
    """The example that the stories above rest on is there."""
    assert any(ALICE_ADDRESS.base58.encode() in line and ALICE.encode() in line for line in lines)
