"""A payout's decisions against a chain that mines, drops and fails its attempts as it likes: at most one transfer (I7)."""

from collections.abc import Callable
from typing import Any, Final, get_args

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.ledger import books
from core.ledger.events import postings_of
from core.ledger.guard import guard_key
from core.ledger.ledger import Accepted, Command, Failed, Ledger, Refused
from core.streams.payout.ends import FailPayout
from core.streams.payouts import (
    RETRIED,
    RETRIES_MAX,
    Payout,
    PayoutAttemptFailed,
    PayoutConfirmed,
    PayoutFailed,
    PayoutRefused,
    payout_stream,
)
from core.streams.treasury import Role
from tests.support.history import (
    ACTOR,
    ALICE,
    PAYEE,
    USDT,
    TickingClock,
    attempt,
    confirm_payout,
    execute,
    expire,
    fund,
    order,
    register,
    request_payout,
    send,
    wallet,
)
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

AMOUNT: Final = 2 * USDT
RESULTS: Final = ("success", *sorted(RETRIED), "reverted")
ATTEMPTS: Final = 5


def test_a_repeated_request_is_held_to_everything_that_it_asks() -> None:
    """Whatever field an order has: another value under the same key is named, unless it is none of the client's."""
    asked = order(ALICE, "p", AMOUNT, 100_000)
    for name in asked.__struct_fields__:
        changed = msgspec.structs.replace(asked, **{name: object()})
        ours = name in ("payout_id", "account_id", "fee_minor")
        assert asked.differences(changed) == ([] if ours else [name.removesuffix("_minor")])


class PayoutUnderWay(RuleBasedStateMachine):
    """Two workers, which know nothing of each other, do anything in any order; the chain shows each the same truth."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, TickingClock())
        self.order = order(ALICE, "p", AMOUNT, 100_000)
        execute(
            self.ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 10 * USDT, "opening"), request_payout(self.order)
        )
        self.results: dict[int, str] = {}
        """How each attempt that was mined ended."""
        self.gone: set[int] = set()
        """Attempts whose time is over and that no block holds."""

    @property
    def payout(self) -> Payout:
        state = Payout()
        for recorded in self.store.histories([payout_stream(self.order.payout_id)])[self.order.stream]:
            state = state.evolve(recorded.event)
        return state

    def told(self, kind: type) -> list[Any]:
        return [recorded.event for recorded in self.store.events if isinstance(recorded.event, kind)]

    def do(self, command: Command) -> bool:
        [outcome] = self.ledger.execute([command])
        assert not isinstance(outcome, Failed), outcome
        return not isinstance(outcome, Refused)

    @rule(number=st.integers(1, ATTEMPTS), upto=st.integers(1, 3))
    def send(self, number: int, upto: int) -> None:
        """A worker prepares, signs and broadcasts an attempt, or dies on the way."""
        for command in send(self.order, number)[:upto]:
            if not self.do(command):
                return

    @rule(number=st.integers(1, ATTEMPTS), result=st.sampled_from(RESULTS))
    def mine(self, number: int, result: str) -> None:
        """Bytes that were signed may be mined once, as long as their time is not over."""
        made, known = self.payout.attempts.made, self.payout.attempts
        signed = number < len(made) or (number == len(made) and known.signature is not None)
        if signed and number not in self.results and number not in self.gone:
            self.results[number] = result

    @rule(number=st.integers(1, ATTEMPTS))
    def pass_by(self, number: int) -> None:
        """An attempt's time is over."""
        if number <= len(self.payout.attempts.made) and number not in self.results:
            self.gone.add(number)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        self.do(expire(self.order, data.draw(st.sampled_from(sorted(self.gone)))))

    @precondition(lambda self: self.results)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """A worker has read a solid receipt, now or long ago."""
        number = data.draw(st.sampled_from(sorted(self.results)))
        result = self.results[number]
        if result == "success":
            self.do(confirm_payout(self.order, number))
            return
        txid = attempt(self.order, number).txid
        self.do(FailPayout(self.order, ACTOR, failure_code=result, txid=txid, burned_sun=number))

    @rule(code=st.sampled_from(["not_mined", *sorted(RETRIED)]))
    def give_up(self, code: str) -> None:
        self.do(FailPayout(self.order, ACTOR, failure_code=code, txid=None, burned_sun=0))

    @invariant()
    def coins_leave_at_most_once(self) -> None:
        assert list(self.results.values()).count("success") <= 1

    @invariant()
    def no_client_is_refunded_for_what_has_left(self) -> None:
        assert not (self.told(PayoutFailed) and "success" in self.results.values())

    @invariant()
    def it_ends_once_and_is_tried_again_within_its_bound(self) -> None:
        assert len(self.told(PayoutFailed)) + len(self.told(PayoutConfirmed)) <= 1
        assert len(self.told(PayoutAttemptFailed)) <= RETRIES_MAX

    @invariant()
    def every_fee_is_booked_once(self) -> None:
        """And what is reserved stays so until the end."""
        booked = [it.txid for it in (*self.told(PayoutAttemptFailed), *self.told(PayoutFailed)) if it.txid]
        assert len(set(booked)) == len(booked)
        burned = sum(
            it.amount_minor
            for recorded in self.store.events
            for it in postings_of(recorded.event)
            if it.account == books.NETWORK_FEE
        )
        assert burned == sum(it.burned_sun for it in (*self.told(PayoutAttemptFailed), *self.told(PayoutFailed)))
        reserved = 0 if self.payout.state in ("failed", "confirmed") else AMOUNT + 100_000
        assert self.store.guards.get(guard_key(ALICE, books.CLEARING), 0) == reserved


@pytest.mark.parametrize("role", get_args(Role))
def test_a_payout_to_a_wallet_of_ours_is_refused_at_once(role: Role) -> None:
    """Hot, gas and cold wallet alike: nothing is reserved, and the client is told so instead of a failure later."""
    ledger = Ledger(MemoryStore(), TickingClock())
    execute(ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 10 * USDT, "opening"), wallet(role, PAYEE))
    [outcome] = ledger.execute([request_payout(order(ALICE, "p", AMOUNT, 100_000))])
    assert isinstance(outcome, Accepted)
    [refused] = [recorded.event for recorded in outcome.events]
    assert isinstance(refused, PayoutRefused)
    assert refused.code == "address_not_payable"


TestPayoutUnderWay: Callable[..., Any] = PayoutUnderWay.TestCase
PayoutUnderWay.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
