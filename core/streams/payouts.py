"""Stream payout-{id}: coins leave, at most once (I7).

    PayoutRefused
    PayoutRequested -> (PayoutWaiting | PayoutExpedited)* -> PayoutCancelled
    PayoutRequested -> (PayoutPrepared -> PayoutSigned -> PayoutBroadcast -> PayoutExpired)* -> ... -> PayoutConfirmed
                                                                           | PayoutAttemptFailed     | PayoutFailed

Requested reserves amount and fee. Prepared fixes the exact bytes before any key touches them, signed makes the
signature durable before the first broadcast. Other bytes may be prepared only after one of two: expired is the proof that
those bytes can never be mined; attempt failed, that they were, and in vain for a reason that says nothing of the payee.
Waiting and expedited may stand wherever no bytes of it can be mined: they say what hinders it, and whose turn it is.
Confirmed, failed and attempt failed rest on a receipt in a solid block.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, event, upcast
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import Posting
from core.ledger.ledger import Past
from core.ledger.money import MAX_MINOR, format_amount
from core.ledger.refusals import (
    AccountNotFound,
    AddressNotPayable,
    AmountBelowMinimum,
    AmountOutOfRange,
    IdempotencyKeyReused,
    InsufficientFunds,
    LedgerAccountNotFound,
    NotBeforeOutOfRange,
    Refusal,
    WrongState,
    data_of,
    restore,
)
from core.streams.accounts import account_stream, must_be_active
from core.streams.addresses import UNASSIGNED, address_stream
from core.streams.attempts import STEPS, Attempt, Attempts, ProofOfDeath, Steps
from core.streams.lost_outgoing import lost_stream, may_be_paid
from core.streams.set_aside import freeze_stream, must_not_be_frozen
from core.streams.treasury import HOT_WALLET, WALLET_STREAMS, role_of
from core.streams.wallet.rotation import NOBODY, must_play

State = Literal["absent", "refused", "requested", "pending_sign", "broadcasted", "confirmed", "failed", "cancelled"]
FINAL: frozenset[State] = frozenset({"refused", "confirmed", "failed", "cancelled"})
Priority = Literal["normal", "high"]
"""Which of one account's payouts goes first; another account's never waits for it (I20)."""
NOT_BEFORE_MAX: Final = timedelta(days=90)
WaitingFor = Literal[
    "coins", "energy", "token", "not_before", "signing_stopped", "catching_up", "account_suspended", "account_frozen",
    "above_signer_limit", "not_covered", "may_be_paid_already",
]  # fmt: skip
"""Why a payout is not made although it is its lane's turn. "energy": or TRX; "token": the token refuses the transfer now."""
RETRIED: Final = frozenset({"out_of_energy", "out_of_time"})
"""Failures that say nothing of the payee: the price rose before the block came (FAILURES 44), or its producer was slow."""
RETRIES_MAX: Final = 2
OWN_WALLET: Final = "it is a wallet of the operator's own"


def payout_stream(payout_id: str) -> str:
    return f"payout-{payout_id}"


_NOT_ASKED: Final = frozenset({"payout_id", "account_id", "fee_minor"})
"""Of an order: what follows from the key and from the settings, so that a repeated request does not wish it."""


class PayoutOrder(msgspec.Struct, frozen=True, gc=False):
    """What the client wishes, in minor units: the recorded intent that every later step is checked against (I8)."""

    payout_id: str
    account_id: str
    ledger_account: str
    to_address: str
    amount_minor: int
    fee_minor: int
    currency: str
    client_reference: str | None
    priority: Priority = "normal"
    not_before: datetime | None = None
    """The payout joins its lane then; its coins are reserved at once."""

    @property
    def stream(self) -> str:
        return payout_stream(self.payout_id)

    @property
    def ids(self) -> dict[str, str]:
        return {"payout_id": self.payout_id, "account_id": self.account_id}

    @property
    def owners(self) -> Sequence[str]:
        return [account_stream(self.account_id), freeze_stream(self.account_id)]

    @property
    def payer(self) -> str:
        """The stream of the wallet that pays it."""
        return HOT_WALLET

    def made_by(self, address: str, past: Past) -> Refusal | None:
        """A replaced hot wallet pays nobody."""
        return must_play(self.stream, address, past.state(HOT_WALLET, NOBODY))

    @property
    def lost(self) -> str:
        """The stream of what left in lost history and may have been this payout."""
        return lost_stream(self.to_address, self.amount_minor)

    def held(self, past: Past) -> Refusal | None:
        """A suspended or frozen account's payout waits, and one that may be what left in lost history (FAILURES 52, 54)."""
        held = must_be_active(past, self.account_id) or must_not_be_frozen(past, self.account_id)
        return held or may_be_paid(past, self.payout_id, self.to_address, self.amount_minor)

    def evacuates(self, _: Past) -> bool:
        return False

    @property
    def total_minor(self) -> int:
        return self.amount_minor + self.fee_minor

    def differences(self, wished: Self) -> list[str]:
        """The names of what a repeated request wishes otherwise; the fee is ours and may have changed since."""
        asked = sorted(name for name in self.__struct_fields__ if name not in _NOT_ASKED)
        return [name.removesuffix("_minor") for name in asked if getattr(self, name) != getattr(wished, name)]


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("payout.refused", version=2, by="api", shown=("code", "data", "order"))
class PayoutRefused(Event, frozen=True, kw_only=True):
    """The request could not be accepted; the same key answers the same for ever."""

    order: PayoutOrder
    code: str
    data: dict[str, Any]


@event("payout.requested", version=2, by="api", shown=("order",))
class PayoutRequested(Event, frozen=True, kw_only=True):
    order: PayoutOrder
    postings: tuple[Posting, ...]


def _without_wishes(old: dict[str, Any]) -> dict[str, Any]:
    """In version 1 every payout was a normal one, and wanted at once."""
    return old | {"order": old["order"] | {"priority": "normal", "not_before": None}}


upcast("payout.refused/1", "payout.refused/2", _without_wishes, shown=("code", "data", "order"))
upcast("payout.requested/1", "payout.requested/2", _without_wishes, shown=("order",))


@event("payout.waiting", by="signer", shown=("payout_id", "reason", "since_ms"), client_event="payout.waiting")
class PayoutWaiting(Event, frozen=True, kw_only=True):
    """It was its lane's turn, and for a minute of chain time one thing has hindered it. Once for each reason; nothing fails.

    `since_ms`: chain time at which it was first hindered so.
    """

    payout_id: str
    account_id: str
    reason: WaitingFor
    since_ms: int


@event("payout.expedited", by="api", shown=("payout_id",))
class PayoutExpedited(Event, frozen=True, kw_only=True):
    """An operator put it at the head of its own account's lane, and said why."""

    payout_id: str
    account_id: str
    reason: str


@event("payout.prepared", by="signer")
class PayoutPrepared(Event, frozen=True, kw_only=True):
    payout_id: str
    account_id: str
    attempt: Attempt


@event("payout.signed", by="signer")
class PayoutSigned(Event, frozen=True, kw_only=True):
    payout_id: str
    account_id: str
    txid: str
    signature: str


@event("payout.broadcast", by="signer", shown=("payout_id", "txid"), client_event="payout.broadcasted")
class PayoutBroadcast(Event, frozen=True, kw_only=True):
    """The signed bytes were given to a node for the first time; what the node answered decides nothing."""

    payout_id: str
    account_id: str
    txid: str


@event("payout.expired", version=2, by="signer", shown=("payout_id", "txid"))
class PayoutExpired(Event, frozen=True, kw_only=True):
    """Proof of death: from the reference block to a solid one as old as the expiration, no block has it (TRON.md 2.7)."""

    payout_id: str
    account_id: str
    txid: str
    proof: ProofOfDeath


def _with_proof(old: dict[str, Any]) -> dict[str, Any]:
    """Version 1 named one solid block, at whose height a node had said that it knows no such transaction."""
    number, block_id, timestamp_ms = (old.pop(f"solid_{name}") for name in ("block_number", "block_id", "timestamp_ms"))
    return old | {"proof": msgspec.to_builtins(ProofOfDeath(number, block_id, number, block_id, timestamp_ms, 0))}


upcast("payout.expired/1", "payout.expired/2", _with_proof, shown=("payout_id", "txid"))


@event(
    "payout.confirmed",
    by="signer",
    shown=("block_number", "block_timestamp_ms", "payout_id", "txid"),
    client_event="payout.confirmed",
)
class PayoutConfirmed(Event, frozen=True, kw_only=True):
    payout_id: str
    account_id: str
    txid: str
    block_number: int
    block_timestamp_ms: int
    burned_sun: int
    postings: tuple[Posting, ...]


@event("payout.failed", by="signer", shown=("failure_code", "payout_id", "txid"), client_event="payout.failed")
class PayoutFailed(Event, frozen=True, kw_only=True):
    payout_id: str
    account_id: str
    failure_code: str
    txid: str | None
    burned_sun: int
    postings: tuple[Posting, ...]


@event("payout.attempt-failed", by="signer", shown=("failure_code", "payout_id", "txid"))
class PayoutAttemptFailed(Event, frozen=True, kw_only=True):
    """The attempt was mined and only burned its fee, for a reason that says nothing of the payee: it is tried again."""

    payout_id: str
    account_id: str
    failure_code: str
    txid: str
    burned_sun: int
    postings: tuple[Posting, ...]


@event("payout.cancelled", by="api", shown=("payout_id",))
class PayoutCancelled(Event, frozen=True, kw_only=True):
    payout_id: str
    account_id: str
    postings: tuple[Posting, ...]


# State


class Payout(msgspec.Struct, frozen=True):
    """What decisions and the signer know of a payout: its order, its state, and every attempt ever made."""

    state: State = "absent"
    order: PayoutOrder | None = None
    attempts: Attempts = Attempts()
    refusal: Refusal | None = None
    txid: str | None = None
    waited_for: frozenset[WaitingFor] = frozenset()
    expedited: bool = False

    def evolve(self, happened: Event) -> Self:
        replace = msgspec.structs.replace
        match happened:
            case PayoutRefused():
                refusal = restore(happened.code, happened.data)
                return replace(self, state="refused", order=happened.order, refusal=refusal)
            case PayoutRequested():
                return replace(self, state="requested", order=happened.order)
            case PayoutPrepared():
                return replace(self, state="pending_sign", attempts=self.attempts.prepared(happened.attempt))
            case PayoutSigned():
                return replace(self, attempts=self.attempts.signed(happened.signature))
            case PayoutBroadcast():
                return replace(self, state="broadcasted", txid=happened.txid, attempts=self.attempts.broadcast())
            case PayoutExpired():
                return replace(self, state="pending_sign", attempts=self.attempts.expired())
            case PayoutAttemptFailed():
                return replace(self, state="pending_sign", attempts=self.attempts.mined_in_vain())
            case PayoutConfirmed():
                return replace(self, state="confirmed", txid=happened.txid)
            case PayoutFailed():
                return replace(self, state="failed", txid=happened.txid)
            case PayoutCancelled():
                return replace(self, state="cancelled")
            case PayoutWaiting():
                return replace(self, waited_for=self.waited_for | {happened.reason})
            case PayoutExpedited():
                return replace(self, expedited=True)
        return self

    @property
    def under_way(self) -> bool:
        return self.order is not None and self.state not in FINAL


_NO_PAYOUT: Final = Payout()
STEPS[PayoutOrder] = Steps(_NO_PAYOUT, PayoutPrepared, PayoutSigned, PayoutBroadcast, PayoutExpired)


# Decisions


class RequestPayout(msgspec.Struct, frozen=True):
    """Reserve amount and fee for a payee. The id follows from account and idempotency key, so a repeat is found."""

    order: PayoutOrder
    minimum_minor: int
    actor: str

    def streams(self) -> list[str]:
        order = self.order
        payee, account_id = address_stream(order.to_address), order.account_id
        own = [payout_stream(order.payout_id), f"account-{account_id}", freeze_stream(account_id)]
        return [*own, payee, *WALLET_STREAMS]

    def guards(self) -> list[GuardKey]:
        order = self.order
        return [guard_key(order.account_id, order.ledger_account), guard_key(order.account_id, books.CLEARING)]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        order = self.order
        stream = payout_stream(order.payout_id)
        known = past.state(stream, _NO_PAYOUT).order
        if known is not None:
            differing = known.differences(order)
            return IdempotencyKeyReused(fields=", ".join(differing)) if differing else ()
        refusal = self._refusal(past, now)
        if isinstance(refusal, AccountNotFound):
            return refusal
        if refusal is not None:
            refused = PayoutRefused(
                occurred_at=now, actor=self.actor, order=order, code=refusal.code, data=data_of(refusal)
            )
            return [New(stream, refused)]
        postings = books.payout_requested(order.account_id, order.ledger_account, order.total_minor)
        return [New(stream, PayoutRequested(occurred_at=now, actor=self.actor, order=order, postings=postings))]

    def _refusal(self, past: Past, now: datetime) -> Refusal | None:
        order = self.order
        if inactive := must_be_active(past, order.account_id) or must_not_be_frozen(past, order.account_id):
            return inactive
        if role_of(order.to_address, map(past.history, WALLET_STREAMS)):
            return AddressNotPayable(address=order.to_address, reason=OWN_WALLET)
        payee = past.state(address_stream(order.to_address), UNASSIGNED).assigned
        if payee is not None and payee.account_id == order.account_id:  # another client's is a payee like any other
            return AddressNotPayable(address=order.to_address, reason="it is a deposit address of this account")
        if order.amount_minor < self.minimum_minor:
            minimum = format_amount(self.minimum_minor, order.currency)
            return AmountBelowMinimum(minimum=minimum, currency=order.currency)
        if order.total_minor > MAX_MINOR:
            return AmountOutOfRange()
        if order.not_before is not None and order.not_before > now + NOT_BEFORE_MAX:
            return NotBeforeOutOfRange(days_max=NOT_BEFORE_MAX.days)
        available = past.balance(guard_key(order.account_id, order.ledger_account))
        if available is None or order.ledger_account == books.CLEARING:
            return LedgerAccountNotFound(ledger_account=order.ledger_account)
        if available < order.total_minor:
            return InsufficientFunds.of(order.ledger_account, available, order.total_minor, order.currency)
        return None


class PayoutCommand(msgspec.Struct, frozen=True):
    """A later step of a payout that exists. The order is needed to name the guard rows before the stream is read."""

    order: PayoutOrder
    actor: str

    def streams(self) -> list[str]:
        return [payout_stream(self.order.payout_id)]

    def guards(self) -> list[GuardKey]:
        order = self.order
        return [guard_key(order.account_id, order.ledger_account), guard_key(order.account_id, books.CLEARING)]

    def _payout(self, past: Past) -> Payout:
        return past.state(payout_stream(self.order.payout_id), Payout())

    def _wrong(self, payout: Payout, wish: str) -> WrongState:
        return WrongState(stream=payout_stream(self.order.payout_id), state=payout.state, wish=wish)

    def _new(self, happened: Event) -> list[New]:
        return [New(payout_stream(self.order.payout_id), happened)]

    @property
    def _ids(self) -> dict[str, str]:
        return {**self.order.ids, "actor": self.actor}
