"""What nobody signed is no success: an export is proven up to its last signature, and every line of it is looked at."""

import base64
import json
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.schema.conftest import Told
from tests.schema.forging import BALANCES, CHECKPOINTS, GUARD, ORDER, SEALS, Lines, forge, place
from tests.support.checkpoints import Desk
from tests.support.exports import HEAD, MADE_AT, SIZES, TAIL_S, exported, verifier

KEPT: Final = "the checkpoints that you kept are of this history"


class Said(NamedTuple):
    """What the verifier says of an export."""

    proven: bool
    sentence: str
    wrong: dict[str, list[tuple[int, str]]]
    none: set[str]


def look(lines: Lines, folder: Path, *keys: str, seen: tuple[Path, ...] = (), tail_s: int | None = TAIL_S) -> Said:
    """The verifier's readers one after the other, in this process."""
    module = verifier()
    path = folder / "export.ndjson"
    path.write_bytes(b"".join(lines))
    options = Namespace(
        file=str(path), key=list(keys), archive=None, seen=[str(each) for each in seen], unsigned_tail=tail_s, json=True
    )
    readers = [module.read(reader, options) for reader in module.READERS]
    found = [reader.findings for reader in readers]
    proven, sentence = module.judge(readers[-1], all(findings.ok for findings in found), options)
    wrong = {check: told for findings in found for check, told in findings.checks.items() if told}
    none = {check for findings in found for check, looked_at in findings.seen.items() if not looked_at}
    return Said(proven, sentence, wrong, none)


@pytest.fixture
def key(desk: Desk) -> str:
    return str(desk.signer.key)


def kept(desk: Desk, number: int) -> str:
    """The note of a checkpoint, as GET /v1/checkpoints shows it."""
    note: str = json.loads(dict(desk.archive.contents())[number])["checkpoint"]
    return note


def test_a_young_end_passes_where_the_auditor_allows_it(told: Told, key: str, tmp_path: Path) -> None:
    """The end behind the last checkpoint is as old as the export at most, counted from the time that was signed."""
    for seconds, tail_s, proven in ((TAIL_S, TAIL_S, True), (TAIL_S, TAIL_S - 1, False), (TAIL_S, None, False),
                                    (-1, 10**9, False)):  # fmt: skip
        made_at = MADE_AT + timedelta(seconds=seconds - TAIL_S)
        found = look(exported(told.database, made_at), tmp_path, key, tail_s=tail_s)
        assert (found.proven, found.wrong) == (proven, {}), found.sentence
        assert f"positions 311 to {HEAD} are signed by nobody" in found.sentence
        assert found.sentence.startswith("everything holds" if proven else "NOT PROVEN")


def test_an_export_that_does_not_say_when_it_was_made_has_no_young_end(lines: Lines, key: str, tmp_path: Path) -> None:
    """As the first exports were: they are proven up to their last signature and not beyond."""
    header = json.loads(lines[0])
    del header["made_at"]
    lines[0] = json.dumps(header).encode() + b"\n"
    found = look(lines, tmp_path, key)
    assert (found.proven, found.wrong) == (False, {})
    assert "does not say when it was made" in found.sentence


def test_forged_amounts_without_a_signature_are_not_proven(lines: Lines, key: str, tmp_path: Path) -> None:
    """Amounts forged, hashes, seal and tables told anew, checkpoints left out: nothing differs, and nothing is proven."""

    def more(events: list[dict[str, Any]]) -> None:
        for posting in events[149]["state"]["postings"]:
            posting["amount_minor"] += 5

    forged = [
        line.replace(b'_minor":2000000', b'_minor":2000005')
        if line.startswith((b'{"kind":"b', b'{"kind":"g'))
        else line
        for line in forge(lines, more)
    ]
    found = look(forged, tmp_path, key, tail_s=10**9)
    assert not found.proven
    assert set(found.wrong) <= {BALANCES, GUARD}
    assert CHECKPOINTS in found.none
    forged = [line for line in forged if not line.startswith((b'{"kind":"b', b'{"kind":"g'))]
    assert not look(forged, tmp_path, key, tail_s=10**9).proven


def test_without_a_key_nothing_is_proven(lines: Lines, key: str, tmp_path: Path) -> None:
    """An export's own keys are whoever's who wrote it."""
    header = json.loads(lines[0])
    header["keys"] = [{"purpose": "checkpoints", "key": key}]
    lines[0] = json.dumps(header).encode() + b"\n"
    found = look(lines, tmp_path)
    assert not found.proven
    assert "without --key nobody that you know has signed this" in found.sentence


def test_an_empty_export_holds_nothing(lines: Lines, key: str, tmp_path: Path) -> None:
    """No check says that it holds where there was nothing that it could have looked at."""
    end = {"kind": "end", "head": 0, "events": 0, "seals": 0, "checkpoints": 0}
    header = lines[0].replace(b'"head":320', b'"head":0')
    found = look([header, json.dumps(end).encode() + b"\n"], tmp_path, key)
    assert (found.proven, found.wrong) == (False, {})
    assert "no event" in found.sentence
    checks = {name for reader in verifier().READERS for name in reader(OPTIONS).findings.checks}
    assert found.none == checks


OPTIONS = Namespace(key=[], archive=None, seen=[])


def test_a_checkpoint_that_was_kept_proves_as_far_as_it_goes(told: Told, desk: Desk, key: str, tmp_path: Path) -> None:
    """A note that the auditor has kept covers what the export's own checkpoints leave out; an answer of the API will do."""
    without = [line for line in told.export if not line.startswith(b'{"kind":"checkpoint"')]
    without[-1] = without[-1].replace(b'"checkpoints":3', b'"checkpoints":0')
    assert not look(without, tmp_path, key, tail_s=None).proven
    answer = {"data": [{"number": number, "note": kept(desk, number)} for number in (3, 1)]}
    for name, text, signed in (
        ("note", kept(desk, 2), SIZES[1]),
        ("answer.json", json.dumps(answer), SIZES[2]),
        ("archived.json", dict(desk.archive.contents())[3].decode(), SIZES[2]),
    ):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        found = look(without, tmp_path, key, seen=(path,), tail_s=None)
        assert found.wrong == {}
        assert f"signed up to {signed}" in found.sentence, found.sentence


def test_a_rewritten_or_shorter_history_is_not_the_one_that_was_seen(
    told: Told, desk: Desk, lines: Lines, key: str, tmp_path: Path
) -> None:
    """Whoever has every key and rewrites the history cannot change the note in the auditor's drawer."""
    path = tmp_path / "note"
    path.write_text(kept(desk, 2), encoding="utf-8")
    forged = forge(lines, lambda events: events[149]["state"].__setitem__("reason", "another reason"))
    found = look(forged, tmp_path, key, seen=(path,))
    assert [position for position, _ in found.wrong[KEPT]] == [SIZES[1]]
    shorter = [*lines[: place(lines, 121)], *lines[-1:]]
    found = look(shorter, tmp_path, key, seen=(path,))
    assert "what you have seen is not in it" in found.wrong[KEPT][0][1]
    path.write_text(kept(desk, 2).replace("number 2", "number 3"), encoding="utf-8")
    assert "does not fit the text" in look(told.export, tmp_path, key, seen=(path,)).wrong[KEPT][0][1]
    path.write_text(base64.b64encode(b"anything").decode(), encoding="utf-8")
    assert KEPT in look(told.export, tmp_path, key, seen=(path,)).wrong


STRANGE: Final[dict[str, Callable[[Lines], object]]] = {
    "a kind that nobody knows": lambda it: it.insert(9, b'{"kind":"remark","text":"all is well"}\n'),
    "a line that is no object": lambda it: it.insert(9, b"[]\n"),
    "a line without a kind": lambda it: it.insert(9, b'{"position":1}\n'),
    "a kind that is a list": lambda it: it.insert(9, b'{"kind":[]}\n'),
    "a line that is no JSON": lambda it: it.insert(9, b"all is well\n"),
    "a line nested beyond reason": lambda it: it.insert(9, b"[" * 100_000 + b"\n"),
    "no header": lambda it: it.pop(0),
    "a second header": lambda it: it.insert(9, it[0]),
    "a second end": lambda it: it.append(it[-1]),
    "an event behind the end": lambda it: it.append(it.pop(place(it, HEAD))),
    "another format": lambda it: it.__setitem__(0, it[0].replace(b"export/1", b"export/9")),
    "an event at a position beyond reason": lambda it: it.insert(
        9, it[place(it, 5)].replace(b'"position":5', b'"position":' + b"9" * 30)
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_line_that_the_verifier_does_not_know_is_refused(lines: Lines, key: str, tmp_path: Path, name: str) -> None:
    """What is not looked at could say anything, so it is never passed over in silence."""
    STRANGE[name](lines)
    found = look(lines, tmp_path, key)
    assert not found.proven
    assert ORDER in found.wrong


def test_a_line_with_a_field_more_or_less_is_refused(told: Told, key: str, tmp_path: Path) -> None:
    """Of each kind of line: without any one of its fields, with one of another type, or with one more, it is named."""
    first = {json.loads(line)["kind"]: at for at, line in reversed(list(enumerate(told.export)))}
    del first["event"]
    for kind, at in first.items():
        whole = json.loads(told.export[at])
        changes: list[dict[str, Any]] = [{**whole, "remark": 1}]
        for name in whole.keys() - {"kind", "made_at"}:
            changes += [{field: value for field, value in whole.items() if field != name}, {**whole, name: None}]
        for changed in changes:
            line = json.dumps(changed).encode() + b"\n"
            found = look([*told.export[:at], line, *told.export[at + 1 :]], tmp_path, key)
            assert not found.proven, (kind, changed)
            assert {ORDER, SEALS, CHECKPOINTS, BALANCES, GUARD} & set(found.wrong), (kind, changed)
