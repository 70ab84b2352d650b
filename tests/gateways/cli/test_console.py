"""What commands print: tables that never cut what must be read whole, and JSON that says the same."""

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.cli.console import Output, Table, counted, money, number, pairs, text, trx

pytestmark = pytest.mark.fast

ADDRESS = "TF54tBijwo4kJRGEdABRwTFohFDeXHYgyg"
TXID = "ab14b0526dc7bfa1798b19666673f62d3c7fcbcadda870eba9be35536bfc1e3f"
SENTENCE = "The issuer moved the token to another contract, and nothing is paid until an operator has looked at it."

cells = st.text(alphabet="abcXYZ019.-_", min_size=1, max_size=90)
sentences = st.lists(st.text(alphabet="abcdefgh", min_size=1, max_size=70), max_size=12).map(" ".join)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@given(st.lists(st.tuples(cells, cells, sentences), min_size=1, max_size=5), st.integers(1, 200))
def test_what_must_be_read_whole_is_on_one_line_at_any_width(rows: list[tuple[str, str, str]], columns: int) -> None:
    """Every code and every amount stands unbroken, and no word of a sentence is lost or broken."""
    lines = Table(("code", number("amount"), text("why")), rows).lines(columns)
    for code, amount, sentence in rows:
        assert any(code in line for line in lines)
        assert any(amount in line for line in lines)
        for word in sentence.split():
            assert any(word in line for line in lines)


@given(st.lists(st.tuples(cells, sentences), min_size=1, max_size=5))
def test_where_there_is_no_terminal_a_row_is_a_line(rows: list[tuple[str, str]]) -> None:
    """However long: the header and as many lines as there are rows."""
    assert len(Table(("code", text("why")), rows).lines()) == len(rows) + 1


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_a_table_fits_the_terminal_where_its_words_do(columns: int) -> None:
    """Free text gives way first; where it has no room beside the rest, a row becomes a block."""
    lines = Table(("address", text("what happened")), [(ADDRESS, SENTENCE)]).lines(columns)
    assert max(map(len, lines)) <= columns
    assert lines[1].startswith(ADDRESS)
    blocks = Table(("txid", "address", number("amount"), text("why")), [(TXID, ADDRESS, "1.000000", SENTENCE)])
    shown = blocks.lines(80)
    assert max(map(len, shown)) <= 80
    assert shown[0] == f"txid     {TXID}"


def test_numbers_stand_at_the_right_and_empty_columns_are_left_out() -> None:
    """A column that says nothing in any row takes no room."""
    rows = [("hot", "1.000000", ""), ("gas", "15000.000000", None)]
    assert Table(("wallet", number("TRX"), text("note")), rows).lines() == [
        "wallet           TRX",
        "hot         1.000000",
        "gas     15000.000000",
    ]


def test_a_name_cannot_move_the_cursor() -> None:
    """Line breaks and escapes in what a client chose are blanks."""
    assert Table(("name",), [("a\nb\x1b[2J",)]).lines() == ["name", "a b [2J"]


def test_wide_characters_take_two_columns() -> None:
    """What stands behind them is still aligned."""
    _, first, second = Table(("name", "code"), [("金庫", "x"), ("abcd", "y")]).lines()
    assert first == "金庫  x"
    assert second == "abcd  y"


def test_labels_are_never_taken_apart_from_their_values() -> None:
    """On a terminal too narrow for a value, the terminal breaks it, not we."""
    assert pairs([("txid", TXID)]).lines(40) == [f"txid  {TXID}"]


def test_text_and_json_are_never_both_there() -> None:
    """`show` writes one of the two; notes go elsewhere."""
    for as_json in (False, True):
        stream, notes = io.StringIO(), io.StringIO()
        out = Output(as_json=as_json, stream=stream, notes=notes)
        out.say("by the way")
        out.note("half of it")
        out.show({"holds": True}, "it holds")
        expected = '{\n  "holds": true\n}\n' if as_json else "by the way\nit holds\n"
        assert (stream.getvalue(), notes.getvalue()) == (expected, "half of it\n")


def test_json_has_times_in_utc_and_money_exactly() -> None:
    """RFC 3339 with a Z, decimal text with the integer beside it, and ids and paths as their text."""
    stream = io.StringIO()
    at = datetime(2026, 11, 22, 14, 0, tzinfo=timezone(timedelta(hours=1)))
    facts = {"at": at, "id": UUID(int=1), "file": Path("a/b"), **money("amount", 12_500_000, "USDT"), **trx("fee", 1)}
    Output(as_json=True, stream=stream).show(facts)
    assert json.loads(stream.getvalue()) == {
        "at": "2026-11-22T13:00:00Z",
        "id": "00000000-0000-0000-0000-000000000001",
        "file": "a/b",
        "amount": "12.500000",
        "amount_minor": 12_500_000,
        "fee": "0.000001",
        "fee_sun": 1,
    }
    assert at.astimezone(UTC).hour == 13


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """None in a pipe, none with NO_COLOR."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe, plain = Terminal(), io.StringIO(), Terminal()
    for stream in (terminal, pipe):
        Output(stream=stream).show({}, Table(("name",), [("x",)]))
    monkeypatch.setenv("NO_COLOR", "1")
    Output(stream=plain).show({}, Table(("name",), [("x",)]))
    assert ["\x1b" in each.getvalue() for each in (terminal, pipe, plain)] == [True, False, False]


def test_a_sentence_is_folded_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its words, and never in a pipe."""
    monkeypatch.setenv("COLUMNS", "40")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        Output(stream=stream).say(f"{SENTENCE} {TXID}")
    assert pipe.getvalue().count("\n") == 1
    lines = terminal.getvalue().splitlines()
    assert TXID in lines
    assert all(len(line) <= 40 for line in lines if line != TXID)


def test_counts_have_their_noun() -> None:
    """One of it, several of them."""
    assert [counted(1, "sweep"), counted(1200, "sweep"), counted(2, "address")] == [
        "1 sweep",
        "1,200 sweeps",
        "2 addresses",
    ]
