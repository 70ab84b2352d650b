"""The logins that only read, carry or tell: observer, relay, webhooks, checkpointer, projector and reader."""

from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest

from core.ledger import books
from core.ledger.guard import guard_key
from core.streams.deposits import DepositConfirmed
from core.streams.payout.approvals import PayoutApproved
from core.streams.signing import SIGNING, SigningResumed
from gateways.postgres.roles import CHECKPOINTER, OBSERVER, PROJECTOR, READER, RELAY, WEBHOOKS
from tests.insiders.world import COINS, HOT, Forged, Insiders, forged, request_of
from tests.support.history import ALICE, TickingClock, address, order, transfer

OTHERS = (OBSERVER, RELAY, WEBHOOKS, CHECKPOINTER, PROJECTOR, READER)
BY = {"occurred_at": TickingClock()(), "actor": "somebody"}
MALLORY = address("Mallory's")


def payout() -> Forged:
    return request_of(order(ALICE, "forged", COINS))


def approval() -> Forged:
    said = PayoutApproved(payout_id="x", account_id=ALICE, approver="ann", digest="00", signature="00", **BY)
    return forged("payout-x", 2, said)


def deposit() -> Forged:
    fact = transfer("never", address(f"{ALICE}'s"), COINS)
    entry = books.deposit_confirmed(ALICE, books.USER_LIABILITY, COINS)
    return forged(
        fact.stream,
        1,
        DepositConfirmed(account_id=ALICE, ledger_account=books.USER_LIABILITY, transfer=fact, postings=entry, **BY),
    )


def resumption() -> Forged:
    return forged(SIGNING, 1, SigningResumed(causes=(), reason="ok", **BY))


@pytest.mark.parametrize("role", OTHERS)
@pytest.mark.parametrize("wanted", [payout, approval, deposit, resumption])
def test_it_appends_nothing_that_moves_coins(world: Insiders, role: str, wanted: Callable[[], Forged]) -> None:
    """A request, an approval, a deposit, a resumption: refused by the database, and nothing leaves."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.append_as(role, wanted())
    world.live(3)
    assert world.paid_minor == 0


@pytest.mark.parametrize("role", OTHERS)
@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (
            "INSERT INTO addresses (evm, base58, wallet, key_id, state) VALUES (%s, %s, 'cold', NULL, 'taken')",
            (MALLORY.evm, MALLORY.base58),
        ),
        ("UPDATE addresses SET base58 = %s WHERE evm = %s", (MALLORY.base58, HOT.evm)),
        (
            "UPDATE guard SET balance_minor = 0 WHERE ledger_account_id = %s",
            (guard_key(ALICE, books.USER_LIABILITY).ledger_account_id,),
        ),
        ("DELETE FROM events", ()),
        ("DELETE FROM seals", ()),
        ("INSERT INTO api_keys (id) VALUES (%s)", (str(uuid4()),)),
    ],
    ids=["a cold wallet", "another address", "a guard row", "the history", "the seals", "an API key"],
)
def test_it_writes_nothing_that_others_decide_by(
    world: Insiders, role: str, statement: str, values: tuple[object, ...]
) -> None:
    """Where coins may go, what an account has, what happened, who may ask: none of it is theirs to write."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.login(role) as conn:
        conn.execute(statement, values)  # type: ignore[call-overload]
