"""Streams lost-{payee}-{amount} and lost-{txid}: what left our wallets in history that was lost, as the chain shows it.

    OutgoingOfLostHistory -> LostOutgoingAttributed | LostOutgoingWrittenOff        for each transaction

A stream holds everything that paid one payee one amount, so that a payout of the same finds it by name: while any of it is
open, that payout may be paid already, and waits. Coins that stayed ours, and fees, have a stream of their own each, and
nothing about them is open.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Self

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, event
from core.ledger.journal import Posting
from core.ledger.ledger import Past
from core.ledger.refusals import MayBePaidAlready, Refusal


def lost_stream(to: str, amount_minor: int) -> str:
    """Of all that paid this payee this amount of USDT."""
    return f"lost-{to}-{amount_minor}"


class LeftInLostHistory(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one transaction of ours did on chain. `wallet` is the role of its owner `address`.

    `to` is whom it sent `amount_minor` of `currency`, nobody where it sent nothing, and `to_wallet` that one's role where
    coins only changed their place; a payout may go to an address of ours, too. `staked_sun` were frozen, `returned_sun` came
    back from stake. Of coins that changed their place the token's issuer took `taken_minor`.
    """

    txid: str
    wallet: str
    address: str
    block_number: int
    block_timestamp_ms: int
    burned_sun: int = 0
    to: str = ""
    to_wallet: str = ""
    amount_minor: int = 0
    currency: str = ""
    staked_sun: int = 0
    returned_sun: int = 0
    taken_minor: int = 0

    @property
    def was_payout(self) -> bool:
        """Whether somebody was paid: then it is open until it is known for whom."""
        return bool(self.amount_minor) and not self.to_wallet

    @property
    def stream(self) -> str:
        return lost_stream(self.to, self.amount_minor) if self.was_payout else f"lost-{self.txid}"

    def postings(self) -> tuple[Posting, ...]:
        account, burned_sun = books.WALLET_ACCOUNTS[self.wallet], self.burned_sun
        if self.was_payout:
            return books.lost_outgoing(account, self.amount_minor, self.currency, burned_sun)
        if self.amount_minor:
            taken_minor = self.taken_minor
            return books.lost_move(
                account, self.amount_minor, self.currency, taken_minor=taken_minor, burned_sun=burned_sun
            )
        if self.staked_sun:
            return books.staked(account, self.staked_sun, burned_sun)
        return books.unstaked(account, self.returned_sun, burned_sun)


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("lost-outgoing.found", by="recorder")
class OutgoingOfLostHistory(Event, frozen=True, kw_only=True):
    """A transaction of ours stands in a solid block, and nothing here asked for it: that is lost, or it is theft.

    Booked at once, explained later.
    """

    left: LeftInLostHistory
    postings: tuple[Posting, ...]


@event("lost-outgoing.attributed", by="api", shown=("payout_id", "txid"))
class LostOutgoingAttributed(Event, frozen=True, kw_only=True):
    """An operator says that it was this payout, which thereby ends as confirmed."""

    txid: str
    payout_id: str
    account_id: str


@event("lost-outgoing.written-off", by="api")
class LostOutgoingWrittenOff(Event, frozen=True, kw_only=True):
    """An operator says that nobody will ask for it again, and bears it."""

    txid: str
    reason: str
    postings: tuple[Posting, ...]


# State


class Lost(msgspec.Struct, frozen=True):
    """What left, by txid in the chain's order, and what became of it."""

    found: dict[str, LeftInLostHistory] = {}
    ended: dict[str, LostOutgoingAttributed | LostOutgoingWrittenOff] = {}

    def evolve(self, happened: Event) -> Self:
        match happened:
            case OutgoingOfLostHistory(left=left):
                return msgspec.structs.replace(self, found={**self.found, left.txid: left})
            case LostOutgoingAttributed() | LostOutgoingWrittenOff():
                return msgspec.structs.replace(self, ended={**self.ended, happened.txid: happened})
        return self

    @property
    def open(self) -> Iterator[LeftInLostHistory]:
        """What paid somebody, and is neither attributed nor written off."""
        return (left for txid, left in self.found.items() if left.was_payout and txid not in self.ended)

    def attributed_to(self, payout_id: str) -> LeftInLostHistory | None:
        """What an operator said this payout was."""
        for txid, end in self.ended.items():
            if isinstance(end, LostOutgoingAttributed) and end.payout_id == payout_id:
                return self.found[txid]
        return None

    def holds(self, payout_id: str) -> MayBePaidAlready | None:
        """Why a payout of this payee and amount must not be made now, or must never be any more."""
        left = self.attributed_to(payout_id) or next(self.open, None)
        return None if left is None else MayBePaidAlready(txid=left.txid)


NOTHING_LOST: Final = Lost()


# Decisions


def find(past: Past, now: datetime, actor: str, left: LeftInLostHistory) -> list[New]:
    """Keep and book what a transaction did, once."""
    if left.txid in past.state(left.stream, NOTHING_LOST).found:
        return []
    found = OutgoingOfLostHistory(occurred_at=now, actor=actor, left=left, postings=left.postings())
    return [New(left.stream, found)]


def may_be_paid(past: Past, payout_id: str, to: str, amount_minor: int) -> Refusal | None:
    """Why no bytes of a payout may be made or signed, or None."""
    state: Any = past.state(lost_stream(to, amount_minor), NOTHING_LOST)
    return state.holds(payout_id)  # type: ignore[no-any-return]
