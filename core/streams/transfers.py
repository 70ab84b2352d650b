"""Stream transfer-{id}: USDT from one ledger account to another, which no chain sees.

    InternalTransferPosted or TransferRefused

A batch that is atomic is one command over many of these streams: its transfers are decided one behind the other, and written
together or not at all.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import Posting
from core.ledger.keyed import First, repeated
from core.ledger.ledger import Past
from core.ledger.refusals import (
    AmountOutOfRange,
    InsufficientFunds,
    LedgerAccountNotFound,
    Refusal,
    RefusedTransfer,
    SameLedgerAccount,
    TransferNotAccepted,
    TransfersRefused,
    data_of,
    restore,
)
from core.streams.accounts import Account, account_stream, must_be_active
from core.streams.set_aside import freeze_stream, must_not_be_frozen

# Events: stored as they are for ever, so a change is a new version and an upcast


@event("transfer.refused", by="api", level=2, shown=("code", "data", "transfer_id"))
class TransferRefused(Event, frozen=True, kw_only=True):
    """It could not be posted; the same key answers the same for ever."""

    transfer_id: str
    account_id: str
    from_ledger_account: str
    to_account_id: str
    to_ledger_account: str
    amount_minor: int
    code: str
    data: dict[str, Any]


@event(
    "transfer.posted",
    by="api",
    shown=("amount_minor", "currency", "from_ledger_account", "to_account_id", "to_ledger_account", "transfer_id"),
)
class InternalTransferPosted(Event, frozen=True, kw_only=True):
    transfer_id: str
    account_id: str
    from_ledger_account: str
    to_account_id: str
    to_ledger_account: str
    amount_minor: int
    currency: str
    postings: tuple[Posting, ...]


# Decisions


class PostTransfer(msgspec.Struct, frozen=True):
    """Move USDT between two ledger accounts, of one client or of two."""

    transfer_id: str
    account_id: str
    from_ledger_account: str
    to_account_id: str
    to_ledger_account: str
    amount_minor: int
    actor: str

    def streams(self) -> list[str]:
        return [
            f"transfer-{self.transfer_id}",
            f"account-{self.account_id}",
            f"account-{self.to_account_id}",
            freeze_stream(self.account_id),
        ]

    def guards(self) -> list[GuardKey]:
        return [
            guard_key(self.account_id, self.from_ledger_account),
            guard_key(self.to_account_id, self.to_ledger_account),
        ]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        stream = self.streams()[0]
        known = past.state(stream, First()).happened
        if known is not None:
            return repeated(self, known, ("from_ledger_account", "to_account_id", "to_ledger_account", "amount_minor"))
        wish = msgspec.structs.asdict(self)
        refusal = self._refusal(past)
        if refusal is not None:
            if not past.writes(TransferRefused):
                return refusal
            refused = TransferRefused(occurred_at=now, **wish, code=refusal.code, data=data_of(refusal))
            return [New(stream, refused)]
        source, target = (self.account_id, self.from_ledger_account), (self.to_account_id, self.to_ledger_account)
        postings = books.internal_transfer(*source, *target, self.amount_minor)
        return [New(stream, InternalTransferPosted(occurred_at=now, **wish, currency="USDT", postings=postings))]

    def _refusal(self, past: Past) -> Refusal | None:
        """What is the caller's own comes first, so that nothing said of it depends on whom it transfers to."""
        inactive = must_be_active(past, self.account_id) or must_not_be_frozen(past, self.account_id)
        if inactive:
            return inactive
        source, target = self.guards()
        if source == target:
            return SameLedgerAccount()
        available = past.balance(source)
        if available is None or self.from_ledger_account == books.CLEARING:
            return LedgerAccountNotFound(ledger_account=self.from_ledger_account)
        is_open = past.balance(target) is not None and self.to_ledger_account != books.CLEARING
        if self.to_account_id == self.account_id and not is_open:
            return LedgerAccountNotFound(ledger_account=self.to_ledger_account)
        if available < self.amount_minor:
            return InsufficientFunds.of(self.from_ledger_account, available, self.amount_minor, "USDT")
        return None if is_open and self._is_accepted(past) else TransferNotAccepted()

    def _is_accepted(self, past: Past) -> bool:
        """Another account's consent; one's own needs none."""
        if self.to_account_id == self.account_id:
            return True
        receiver = past.state(account_stream(self.to_account_id), Account())
        return receiver.status == "active" and receiver.accept_transfers


class PostTransfers(msgspec.Struct, frozen=True):
    """Transfers of one account, at least one, of which all are posted or none. What its key was posted for before stays so."""

    transfers: tuple[PostTransfer, ...]

    @property
    def account_id(self) -> str:
        return self.transfers[0].account_id

    @property
    def actor(self) -> str:
        return self.transfers[0].actor

    def streams(self) -> list[str]:
        return list(dict.fromkeys(stream for each in self.transfers for stream in each.streams()))

    def guards(self) -> list[GuardKey]:
        return list(dict.fromkeys(key for each in self.transfers for key in each.guards()))

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        """Each is decided behind those before it; all that are refused are named."""
        trial = past.trial(self.streams(), self.guards())
        news: list[New] = []
        refused: list[RefusedTransfer] = []
        for number, each in enumerate(self.transfers):
            decision = self._decided(each, trial, now)
            if isinstance(decision, Refusal):
                refused.append(RefusedTransfer(number, decision.code, data_of(decision)))
            else:
                trial.accept(decision, each.guards())
                news += decision
        return TransfersRefused(len(refused), tuple(refused)) if refused else news

    def _decided(self, transfer: PostTransfer, trial: Past, now: datetime) -> Sequence[New] | Refusal:
        decision = transfer.decide(trial, now)
        if isinstance(decision, Refusal):
            return decision
        answer = decision[0].event if decision else trial.state(transfer.streams()[0], First()).happened
        if isinstance(answer, TransferRefused):  # now, which is not kept, or before
            return restore(answer.code, answer.data)
        return AmountOutOfRange() if trial.exceeds(decision) else decision
