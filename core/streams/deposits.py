"""Stream deposit-{txid}-{log index}: one transfer to one of our addresses, keyed so that it is credited at most once (I6).

    DepositDetected -> (DepositOrphaned -> DepositDetected)* -> DepositConfirmed

Detected is shown and not spendable; confirmed stands in a solid block and moves money; orphaned left the chain.
A TRX transfer has no log: its stream is deposit-{txid}-trx, or, where a contract handed it on, deposit-{txid}--1 for the first
internal transaction, --2 for the second, and so on. Coins that reach an address of ours and are no client's come
out of In_Transit_Asset where an instruction of ours sent them, else they are booked in the treasury's Suspense.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal, Self
from uuid import UUID

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import TREASURY, Posting, derived_id
from core.ledger.ledger import Past
from core.ledger.refusals import ConflictingFacts, Refusal, WrongState
from core.streams.addresses import AddressAssigned, DepositAddress, address_stream
from core.streams.instructions import InstructionState

Status = Literal["absent", "detected", "orphaned", "confirmed"]


class TransferFact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A transfer as the chain shows it: what is booked, where it stands, and since when (chain time, ms).

    `log_index` counts all logs of the transaction; None is a plain TRX transfer, and one below zero TRX that a contract handed
    on (`internal_index`). `wallet` is the role of our address:
    "payin", "hot", "gas" or "cold", and `from_wallet` that of the sender, if it is ours. `amount_minor` is USDT minor
    units, or sun. `waits_for` is why it is not credited though its block is solid: "one_node", nobody else shows it.
    """

    txid: str
    log_index: int | None
    from_address: str
    to_address: str
    amount_minor: int
    currency: str
    wallet: str
    block_number: int
    block_id: str
    block_timestamp_ms: int
    from_wallet: str = ""
    waits_for: str = ""

    @property
    def stream(self) -> str:
        return deposit_stream(self.txid, self.log_index)

    @property
    def is_internal(self) -> bool:
        """Whether a contract handed it on: its transaction is another thing, and only receipts show it."""
        return self.log_index is not None and self.log_index < 0


def internal_index(place: int) -> int:
    """The log index of TRX that a contract handed on: -1, -2, ... by its place among the receipt's internal transactions."""
    return -1 - place


def deposit_stream(txid: str, log_index: int | None) -> str:
    return f"deposit-{txid}-{'trx' if log_index is None else log_index}"


@lru_cache(maxsize=65_536)
def deposit_id(txid: str, log_index: int | None) -> UUID:
    """The id under which clients see a deposit: it follows from what makes it unique."""
    return derived_id("deposit", txid, "trx" if log_index is None else str(log_index))


# Events: stored as they are for ever, so a change is a new version and an upcast


@event(
    "deposit.detected",
    by="recorder",
    shown=("ledger_account", "transfer"),
    client_event="deposit.detected",
)
class DepositDetected(Event, frozen=True, kw_only=True):
    """Seen at the head, in a block that may still be replaced; or in a solid one, where `waits_for` says what is missing."""

    account_id: str
    ledger_account: str
    transfer: TransferFact


@event(
    "deposit.confirmed",
    by="recorder",
    shown=("ledger_account", "transfer"),
    client_event="deposit.confirmed",
)
class DepositConfirmed(Event, frozen=True, kw_only=True):
    """Stands in a solid block: booked."""

    account_id: str
    ledger_account: str
    transfer: TransferFact
    postings: tuple[Posting, ...]


@event("deposit.orphaned", by="recorder", shown=("transfer",), client_event="deposit.orphaned")
class DepositOrphaned(Event, frozen=True, kw_only=True):
    """The block it was seen in is no longer part of the chain, and the transaction is in no other."""

    account_id: str
    transfer: TransferFact


# State


class Deposit(msgspec.Struct, frozen=True):
    """What decisions know of a deposit."""

    status: Status = "absent"
    account_id: str = ""
    transfer: TransferFact | None = None

    def evolve(self, happened: Event) -> Self:
        match happened:
            case DepositDetected():
                return msgspec.structs.replace(
                    self, status="detected", account_id=happened.account_id, transfer=happened.transfer
                )
            case DepositConfirmed():
                return msgspec.structs.replace(
                    self, status="confirmed", account_id=happened.account_id, transfer=happened.transfer
                )
            case DepositOrphaned():
                return msgspec.structs.replace(self, status="orphaned")
        return self


def owner_of(assigned: AddressAssigned | None, fact: TransferFact) -> tuple[str, str]:
    """-> (book, ledger account) that the transfer belongs to; the treasury's Suspense when no client has the address."""
    if fact.currency == "USDT" and fact.wallet == "payin" and assigned is not None:
        return assigned.account_id, assigned.ledger_account
    return TREASURY, books.SUSPENSE


# Decisions


def _owner(past: Past, fact: TransferFact) -> tuple[str, str]:
    return owner_of(past.state(address_stream(fact.to_address), DepositAddress()).assigned, fact)


def _conflict(known: TransferFact, fact: TransferFact) -> Refusal | None:
    """A txid names one set of bytes: its amounts and addresses cannot change between two looks (alarm, not duplicate)."""
    fixed = ("from_address", "to_address", "amount_minor", "currency")
    differing = [name for name in fixed if getattr(known, name) != getattr(fact, name)]
    return ConflictingFacts(stream=fact.stream, difference=", ".join(differing)) if differing else None


class _DepositCommand(msgspec.Struct, frozen=True):
    """What the three deposit commands share: the fact they speak of, and who says so."""

    fact: TransferFact
    actor: str

    def streams(self) -> list[str]:
        return [self.fact.stream, address_stream(self.fact.to_address)]


class DetectDeposit(_DepositCommand, frozen=True):
    """A transfer was seen at the head, or in a solid block where it waits for something more."""

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        deposit = past.state(self.fact.stream, Deposit())
        if deposit.status == "confirmed":
            return ()
        if deposit.status == "detected":
            assert deposit.transfer is not None
            if deposit.transfer.block_id == self.fact.block_id and self.fact.waits_for in (
                "",
                deposit.transfer.waits_for,
            ):
                return _conflict(deposit.transfer, self.fact) or ()
        account_id, ledger_account = _owner(past, self.fact)
        detected = DepositDetected(
            occurred_at=now,
            actor=self.actor,
            account_id=account_id,
            ledger_account=ledger_account,
            transfer=self.fact,
        )
        return [New(self.fact.stream, detected)]


class ConfirmDeposit(_DepositCommand, frozen=True, kw_only=True):
    """A transfer stands in a solid block.

    `account_id` and `ledger_account` are where the caller found the address assigned (`owner_of`), so that the guard
    row is read before the decision; the address's stream decides under the append lock. `sent_by` is the stream where
    the caller found the transaction prepared, if it is one of ours.
    """

    account_id: str
    ledger_account: str
    sent_by: str | None = None

    def streams(self) -> list[str]:
        return [*super().streams(), *([self.sent_by] if self.sent_by else [])]

    def guards(self) -> list[GuardKey]:
        return [] if self.account_id == TREASURY else [guard_key(self.account_id, self.ledger_account)]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        deposit = past.state(self.fact.stream, Deposit())
        if deposit.status == "confirmed":
            assert deposit.transfer is not None
            return _conflict(deposit.transfer, self.fact) or ()
        account_id, ledger_account = _owner(past, self.fact)
        if (account_id, ledger_account) != (self.account_id, self.ledger_account):
            # The address was assigned between the caller's look and the append lock: look again.
            return WrongState(stream=self.fact.stream, state="assigned meanwhile", wish="confirmed")
        if account_id == TREASURY:
            ledger_account, postings = self._of_the_treasury(past)
        else:
            postings = books.deposit_confirmed(account_id, ledger_account, self.fact.amount_minor)
        confirmed = DepositConfirmed(
            occurred_at=now,
            actor=self.actor,
            account_id=account_id,
            ledger_account=ledger_account,
            transfer=self.fact,
            postings=postings,
        )
        return [New(self.fact.stream, confirmed)]

    def _of_the_treasury(self, past: Past) -> tuple[str, tuple[Posting, ...]]:
        """-> (the account that the coins come out of, the entry)."""
        fact, account = self.fact, books.WALLET_ACCOUNTS[self.fact.wallet]
        if self.sent_by and past.state(self.sent_by, InstructionState()).attempts.has(fact.txid):
            return books.IN_TRANSIT, books.own_coins_arrived(account, fact.amount_minor, fact.currency)
        if fact.from_wallet == "cold" and fact.wallet != "cold":  # by hand: its key is with its owner
            entry = books.moved_by_hand(account, books.COLD_WALLET, fact.amount_minor, fact.currency)
            return books.COLD_WALLET, entry
        return books.SUSPENSE, books.unexplained_inbound(account, fact.amount_minor, fact.currency)


class OrphanDeposit(_DepositCommand, frozen=True, kw_only=True):
    """The block this transfer was detected in left the chain. Ignored when it was seen again elsewhere meanwhile.

    `solid` says that it stands in no block up to this height: then it matters no more which of them was recorded.
    """

    solid: int | None = None

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        deposit = past.state(self.fact.stream, Deposit())
        if deposit.status != "detected" or deposit.transfer is None:
            return ()
        is_over = self.solid is not None and deposit.transfer.block_number <= self.solid
        if deposit.transfer.block_id != self.fact.block_id and not is_over:
            return ()
        orphaned = DepositOrphaned(
            occurred_at=now, actor=self.actor, account_id=deposit.account_id, transfer=deposit.transfer
        )
        return [New(self.fact.stream, orphaned)]
