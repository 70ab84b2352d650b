"""Double entry: every entry of every business event balances, per book and currency (I1)."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger import books
from core.ledger.guard import guard_key
from core.ledger.journal import (
    TREASURY,
    TREASURY_ACCOUNT_ID,
    Posting,
    Unbalanced,
    account_id_of,
    check_balanced,
    credit,
    debit,
    derived_id,
    derived_text,
    entry,
    entry_id,
    event_key,
    ledger_account_id,
    signed,
)
from tests.support.history import ALICE, BOB

pytestmark = pytest.mark.fast

AMOUNTS = st.integers(0, 2**63 - 1)
ENTRIES: dict[str, Callable[[int, int, int], tuple[Posting, ...]]] = {
    "deposit confirmed": lambda a, b, c: books.deposit_confirmed(ALICE, books.USER_LIABILITY, a),
    "unexplained inbound": lambda a, b, c: books.unexplained_inbound(books.GAS_WALLET, a, "TRX"),
    "payout requested": lambda a, b, c: books.payout_requested(ALICE, books.USER_LIABILITY, a),
    "payout released": lambda a, b, c: books.payout_released(ALICE, books.USER_LIABILITY, a, c),
    "payout confirmed": lambda a, b, c: books.payout_confirmed(ALICE, a, b, c),
    "transfer within a book": lambda a, b, c: books.internal_transfer(ALICE, "x", ALICE, "y", a),
    "transfer across books": lambda a, b, c: books.internal_transfer(ALICE, "x", BOB, "y", a),
    "network fee": lambda a, b, c: books.network_fee(books.HOT_WALLET, a),
}


@pytest.mark.parametrize("name", ENTRIES)
@given(amount=AMOUNTS, fee=AMOUNTS, burned=AMOUNTS)
def test_every_entry_balances_for_all_amounts(name: str, amount: int, fee: int, burned: int) -> None:
    """Debits equal credits in every book and currency, no line is zero, and every account is in a chart."""
    lines = ENTRIES[name](amount, fee, burned)
    for book, currency in {(line.book, line.currency) for line in lines}:
        mine = [line for line in lines if (line.book, line.currency) == (book, currency)]
        assert sum(signed(line, "asset") for line in mine) == 0
    assert all(line.amount_minor > 0 for line in lines)
    assert all(line.account in books.TREASURY_CHART for line in lines if line.book == TREASURY)


@given(amount=st.integers(1, 10**15), fee=st.integers(0, 10**12), burned=st.integers(0, 10**9))
def test_a_payout_leaves_nothing_in_clearing(amount: int, fee: int, burned: int) -> None:
    """Requested and confirmed, or requested and released: Clearing_Account is as before, and custody equals claims."""
    requested = books.payout_requested(ALICE, books.USER_LIABILITY, amount + fee)

    def balance(lines: tuple[Posting, ...], book: str, account: str) -> int:
        return sum(signed(line, "liability") for line in lines if (line.book, line.account) == (book, account))

    confirmed = requested + books.payout_confirmed(ALICE, amount, fee, burned)
    assert balance(confirmed, ALICE, books.CLEARING) == 0
    assert balance(confirmed, ALICE, books.USER_LIABILITY) == -(amount + fee)
    assert balance(confirmed, ALICE, books.CLIENT_ASSET) == -balance(confirmed, TREASURY, books.CUSTODY_CONTROL)
    released = requested + books.payout_released(ALICE, books.USER_LIABILITY, amount + fee, burned)
    assert balance(released, ALICE, books.CLEARING) == balance(released, ALICE, books.USER_LIABILITY) == 0


@pytest.mark.parametrize(
    "lines",
    [
        (debit("a", "x", 1, "USDT"),),
        (debit("a", "x", 1, "USDT"), credit("a", "y", 2, "USDT")),
        (debit("a", "x", 1, "USDT"), credit("b", "y", 1, "USDT")),
        (debit("a", "x", 1, "USDT"), credit("a", "y", 1, "TRX")),
        (debit("a", "x", -1, "USDT"), credit("a", "y", -1, "USDT")),
        (debit("a", "x", 1, "USDT"), debit("a", "y", -1, "USDT")),
    ],
)
def test_what_does_not_balance_is_no_entry(lines: tuple[Posting, ...]) -> None:
    """One-sided, unequal, across books, across currencies, negative: Unbalanced."""
    with pytest.raises(Unbalanced):
        entry(*lines)


def test_a_zero_line_is_left_out_of_an_entry_and_refused_in_postings() -> None:
    """`entry` drops what is zero; postings that are given must not hold it."""
    zero = debit("a", "x", 0, "USDT")
    assert entry(zero) == ()
    with pytest.raises(Unbalanced):
        check_balanced([zero])


def test_the_normal_side_of_an_account_grows() -> None:
    """Assets and expenses grow by debits, the others by credits."""
    line = debit("a", "x", 5, "USDT")
    assert [signed(line, kind) for kind in ("asset", "expense", "liability", "equity", "revenue")] == [5, 5, -5, -5, -5]  # type: ignore[arg-type]


def test_the_charts_are_the_specifications() -> None:
    """Names and types of the ledger accounts are pinned: statements and other systems know them."""
    assert {code: kind for code, (kind, _) in books.CLIENT_CHART.items()} == {
        "User_Liability": "liability",
        "Clearing_Account": "liability",
        "System_Hot_Wallet_Asset": "asset",
    }
    assert {code: kind for code, (kind, _) in books.TREASURY_CHART.items()} == {
        "Payin_Wallets_Asset": "asset",
        "Hot_Wallet_Asset": "asset",
        "Cold_Wallet_Asset": "asset",
        "Gas_Wallet_Asset": "asset",
        "Staked_Asset": "asset",
        "In_Transit_Asset": "asset",
        "Custody_Control": "liability",
        "Network_Fee_Expense": "expense",
        "Fee_Revenue": "revenue",
        "Operator_Capital": "equity",
        "Suspense": "liability",
        "Lost_History": "asset",
    }
    assert all(account in books.TREASURY_CHART for account in books.WALLET_ACCOUNTS.values())


def test_ids_that_are_derived_never_change() -> None:
    """The namespace is part of the history: guard rows, payouts and journal entries are found by these ids."""
    assert str(ledger_account_id(ALICE, books.USER_LIABILITY)) == "fe4bce2a-253e-5c46-9830-4bee76545fe8"
    assert guard_key(ALICE, books.USER_LIABILITY).ledger_account_id == ledger_account_id(ALICE, books.USER_LIABILITY)
    key = event_key("payout-x", 1, datetime(2026, 11, 22, 13, 0, 0, 123_456, tzinfo=UTC))
    assert str(UUID(int=entry_id(key, 0))) == "01a20357-90fb-7a33-a510-6b23738a0000"
    assert str(UUID(int=entry_id(key, 1))) == "01a20357-90fb-7a33-a510-6b23738a0100"
    assert str(derived_id("payout", ALICE, "order 1")) == "aa9e2a36-1d43-5aca-a26e-4444abe2c4a8"
    assert account_id_of(TREASURY) == TREASURY_ACCOUNT_ID
    assert str(TREASURY_ACCOUNT_ID) == "42138790-e4d3-568c-8c34-4c4ae78a7314"
    assert str(account_id_of(ALICE)) == ALICE


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=2, max_size=2, unique=True))
def test_no_two_requests_share_an_id(names: list[tuple[str, str]]) -> None:
    """Scope and key cannot be shifted into one another."""
    (scope, key), (other_scope, other_key) = names
    assert derived_id("payout", scope, key) != derived_id("payout", other_scope, other_key)
    assert derived_id("payout", scope, key) != derived_id("payin", scope, key)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_derived_id_as_text_is_the_id(kind: str, scope: str, key: str) -> None:
    """Letter for letter."""
    assert derived_text(kind, scope, key) == str(derived_id(kind, scope, key))
