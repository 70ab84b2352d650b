"""The stand-alone verifier: an honest export holds, and every kind of tampering is found and named by position.

It runs in an isolated Python (-I) that can import nothing of ours."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.ledger.books import TREASURY_CHART
from core.ledger.events import newest_level
from core.proofs.notes import NoteKey
from tests.schema.conftest import Told
from tests.schema.forging import (
    ACCOUNTS,
    ARCHIVE,
    BALANCES,
    CHECKPOINTS,
    CUSTODY,
    DEPOSITS,
    ENTRIES,
    GUARD,
    HASHES,
    INSTRUCTIONS,
    LIABILITIES,
    ORDER,
    OTHERS,
    PAYOUTS,
    RECEIPTS,
    SEALS,
    STREAMS,
    SWEEPS,
    Lines,
    forge,
    place,
    replace,
)
from tests.schema.test_forged_stories import STORIES, TREASURY_STORIES
from tests.support.checkpoints import Desk
from tests.support.exports import HEAD, TAIL_S, VERIFIER, exported, verdict, verifier
from tests.support.history import ALICE, ALICE_ADDRESS
from tests.support.postgres import Database
from tests.support.topics import readable


def test_it_is_one_file_of_the_standard_library() -> None:
    """It imports nothing but what Python itself brings, and nobody imports it."""
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names)
    assert {"core", "projections", "gateways"} & imported == set()


def test_an_honest_export_holds(told: Told, desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Nothing is wrong, and the same database gives the same bytes again."""
    found = verdict(lines, tmp_path, desk)
    assert (found.exit_code, found.wrong) == (0, {})
    assert "320 events" in found.notes[0]
    assert exported(told.database) == lines


def test_it_tells_a_person(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Without --json it prints a line a check; a finding has its position; the exit code says whether all holds."""
    path = tmp_path / "export.ndjson"
    for changed, code in ((False, 0), (True, 1)):
        if changed:
            replace(lines, 150, b"opening", b"opened!")
        path.write_bytes(b"".join(lines))
        command = [sys.executable, "-I", str(VERIFIER), "history", str(path), "--key", str(desk.signer.key)]
        command += ["--unsigned-tail", str(TAIL_S)]
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


def test_a_changed_database_is_named_by_its_export(database: Database, own_desk: Desk, tmp_path: Path) -> None:
    """An event that was changed in the database itself differs in the export from the hash that the tree has kept."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("ALTER TABLE events DISABLE TRIGGER USER")
        conn.execute("UPDATE events SET state = replace(state, 'opening', 'opened!') WHERE notification_id = 150")
    found = verdict(exported(database), tmp_path, own_desk)
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


def test_signatures_of_another_key_are_none(
    desk: Desk, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the right key by hand is not taken in by a history that somebody else signed."""
    another = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    monkeypatch.setattr(desk.signer, "key", NoteKey(desk.signer.key.name, another))
    found = verdict(lines, tmp_path, desk)
    assert [position for position, _ in found.wrong[CHECKPOINTS]] == [120, 220, 310]
    assert ARCHIVE in found.wrong


@pytest.mark.fast
def test_it_knows_every_event_and_every_account_of_the_treasury() -> None:
    """A type of event, or an account of ours, that is added to the program is added to the verifier."""
    module = verifier()
    known = {topic.encode() for topic in readable()}
    assert known == {*module.STORIES, *module.PLAIN} & known
    assert {*module.STORIES, *module.PLAIN} <= known
    assert {code: kind for code, (kind, _) in TREASURY_CHART.items()} == module.TREASURY
    assert newest_level() == module.FORMAT_LEVEL


def test_a_newer_format_is_named_with_its_position(desk: Desk, lines: Lines, tmp_path: Path) -> None:
    """Behind an event that raises the format level beyond this file's, the auditor is told to take the newer one."""
    state = {"occurred_at": "2026-02-01T00:00:00Z", "actor": "operator:x", "level": 99, "program": "9.0.0"}
    raised = {"stream": "formats", "version": 1, "topic": "format.raised/1", "state": state}
    told = verdict(forge(lines, lambda events: events.append(raised)), tmp_path, desk, archive=False)
    [said] = [each for each in told.notes if "a newer version wrote (format level 99, this verifier reads 2)" in each]
    assert "take that version's verify.py" in said


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
    [said] = [each for each in found.notes if each.startswith("swept.up/1 (1 events, the first at position ")]
    assert said.endswith("is not known to this verifier, a newer version wrote it: postings checked, story not")
    assert set(found.wrong) == {BALANCES}  # the table was made before it
    found = verdict(forge(lines, sweep(6)), tmp_path, desk, archive=False)
    assert found.wrong[ENTRIES] == [(HEAD + 1, "book treasury is off by -0.000001 TRX")]


def test_every_check_is_reached(desk: Desk) -> None:
    """Each check of the verifier fails in some test above."""
    source = VERIFIER.read_text(encoding="utf-8")
    reached = {check for _, expected in TAMPERINGS.values() for check in expected} | {
        check for _, check in (*STORIES.values(), *TREASURY_STORIES.values())
    }
    assert all(check in source for check in reached)
    assert reached == {ORDER, HASHES, SEALS, CHECKPOINTS, ARCHIVE, RECEIPTS, ENTRIES, ACCOUNTS, LIABILITIES, CUSTODY,
                       STREAMS, DEPOSITS, PAYOUTS, INSTRUCTIONS, SWEEPS, OTHERS, BALANCES, GUARD}  # fmt: skip


def test_alice_s_history_has_her_address(lines: Lines) -> None:
    """The example that the stories above rest on is there."""
    assert any(ALICE_ADDRESS.base58.encode() in line and ALICE.encode() in line for line in lines)
