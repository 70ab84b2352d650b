"""What an adjustment may do: it is decided like any money, by balance and guard, and by what clients and wallets hold."""

import pytest

from core.ledger import books
from core.ledger.journal import TREASURY, credit, debit
from core.ledger.ledger import Accepted, Ledger, Refused
from core.ledger.refusals import (
    AccountNotFound,
    AmountOutOfRange,
    CustodyNotMatched,
    InsufficientFunds,
    LedgerAccountNotFound,
    Refusal,
    UnbalancedEntry,
    WalletNotAsOnChain,
)
from core.streams.treasury import PostAdjustment, WalletSeen
from tests.support.history import ACTOR, ALICE, BOB, TickingClock, execute, fund, register
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast


@pytest.fixture
def ledger() -> Ledger:
    """Two clients, one of them with 100 minor units."""
    opened = Ledger(MemoryStore(), TickingClock())
    execute(opened, register(ALICE, "Alice"), register(BOB, "Bob"))
    execute(opened, fund(ALICE, 100, "opening"))
    return opened


def refusal(ledger: Ledger, command: PostAdjustment) -> Refusal:
    [outcome] = ledger.execute([command])
    assert isinstance(outcome, Refused), outcome
    return outcome.refusal


def adjustment(name: str, *lines: object) -> PostAdjustment:
    return PostAdjustment(name, "a reason", tuple(lines), ACTOR)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((debit(ALICE, "User_Liability", 1, "USDT"),), UnbalancedEntry),
        ((debit(ALICE, "User_Liability", 1, "USDT"), credit(ALICE, "Clearing_Account", 2, "USDT")), UnbalancedEntry),
        (
            (debit(ALICE, "User_Liability", 101, "USDT"), credit(ALICE, books.CLIENT_ASSET, 101, "USDT")),
            InsufficientFunds,
        ),
        ((debit(ALICE, "nothing", 1, "USDT"), credit(ALICE, books.CLIENT_ASSET, 1, "USDT")), LedgerAccountNotFound),
        ((debit(TREASURY, "nothing", 1, "USDT"), credit(TREASURY, books.SUSPENSE, 1, "USDT")), LedgerAccountNotFound),
        (
            (debit("nobody", books.CLIENT_ASSET, 1, "USDT"), credit("nobody", books.CLIENT_ASSET, 1, "USDT")),
            AccountNotFound,
        ),
        ((debit(TREASURY, books.HOT_WALLET, 1, "EUR"), credit(TREASURY, books.SUSPENSE, 1, "EUR")), UnbalancedEntry),
        (
            (debit(TREASURY, books.HOT_WALLET, 2**63, "TRX"), credit(TREASURY, books.SUSPENSE, 2**63, "TRX")),
            AmountOutOfRange,
        ),
    ],
)
def test_an_adjustment_that_cannot_be_posted_is_refused(
    ledger: Ledger, lines: tuple[object, ...], expected: type
) -> None:
    """Unbalanced lines, unknown books, accounts and currencies, overdrafts and absurd amounts are refusals, not defects."""
    assert isinstance(refusal(ledger, adjustment("x", *lines)), expected)


@pytest.mark.parametrize(
    "lines",
    [
        (debit(ALICE, books.CLIENT_ASSET, 5, "USDT"), credit(ALICE, books.USER_LIABILITY, 5, "USDT")),
        (debit(TREASURY, books.SUSPENSE, 5, "USDT"), credit(TREASURY, books.CUSTODY_CONTROL, 5, "USDT")),
        (
            debit(ALICE, books.CLIENT_ASSET, 5, "USDT"),
            credit(ALICE, books.USER_LIABILITY, 5, "USDT"),
            debit(TREASURY, books.SUSPENSE, 4, "USDT"),
            credit(TREASURY, books.CUSTODY_CONTROL, 4, "USDT"),
        ),
    ],
    ids=["a claim on nothing", "coins for nobody", "another amount"],
)
def test_an_adjustment_leaves_what_clients_claim_what_is_held_for_them(
    ledger: Ledger, lines: tuple[object, ...]
) -> None:
    """What would break I10 is refused when it is decided, and the history stays right at every position (FAILURES 66)."""
    refused = refusal(ledger, adjustment("x", *lines))
    assert isinstance(refused, CustodyNotMatched)
    assert "an adjustment changes System_Hot_Wallet_Asset and Custody_Control by the same" in refused.detail


def test_without_its_guard_coins_that_nobody_holds_are_credited(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is all that stands before it: an entry that balances in its own book passes the ledger's other checks."""
    monkeypatch.setattr(PostAdjustment, "_breaks_custody", lambda _: None)
    execute(
        ledger,
        adjustment("x", debit(ALICE, books.CLIENT_ASSET, 5, "USDT"), credit(ALICE, books.USER_LIABILITY, 5, "USDT")),
    )


def test_a_claim_goes_from_one_client_to_another_without_the_treasury(ledger: Ledger) -> None:
    """What one may claim less another may claim more: together they claim the same."""
    execute(
        ledger,
        adjustment(
            "x",
            debit(ALICE, books.USER_LIABILITY, 5, "USDT"),
            credit(ALICE, books.CLIENT_ASSET, 5, "USDT"),
            debit(BOB, books.CLIENT_ASSET, 5, "USDT"),
            credit(BOB, books.USER_LIABILITY, 5, "USDT"),
        ),
    )


@pytest.mark.parametrize(
    ("change", "seen", "accepted"),
    [
        (0, (), True),
        (5, (), False),
        (5, (5,), True),
        (3, (5,), True),
        (7, (5,), True),
        (11, (5,), False),
        (-1, (5,), False),
    ],
)
def test_an_adjustment_brings_a_wallet_only_nearer_to_the_chain(
    ledger: Ledger, change: int, seen: tuple[int, ...], accepted: bool
) -> None:
    """A wallet's account is what the chain shows: it moves where the two differ, towards it, and not where they agree (I10)."""
    both = [
        (debit if change > 0 else credit)(TREASURY, books.HOT_WALLET, abs(change), "TRX"),
        (credit if change > 0 else debit)(TREASURY, books.SUSPENSE, abs(change), "TRX"),
    ]
    lines = tuple(
        both
        if change
        else (debit(TREASURY, books.SUSPENSE, 1, "TRX"), credit(TREASURY, books.OPERATOR_CAPITAL, 1, "TRX"))
    )
    found = tuple(WalletSeen(books.HOT_WALLET, "TRX", 100, 100 + more) for more in seen)
    [outcome] = ledger.execute([PostAdjustment("x", "a reason", lines, ACTOR, (books.HOT_WALLET,), found)])
    assert isinstance(outcome, Accepted) is accepted
    if isinstance(outcome, Refused):
        assert isinstance(outcome.refusal, WalletNotAsOnChain)
