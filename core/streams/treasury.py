"""The operator's own acts: system wallets, adjustments.

Streams wallet-{role}, adjustment-{id}.

    SystemWalletRegistered -> SystemWalletRegistered ...      AdjustmentPosted
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, Self, get_args

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, Recorded, event
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import TREASURY, Posting, Unbalanced, check_balanced, signed
from core.ledger.keyed import First, repeated
from core.ledger.ledger import Past
from core.ledger.money import EXPONENTS, MAX_MINOR
from core.ledger.refusals import (
    AccountNotFound,
    AmountOutOfRange,
    InsufficientFunds,
    LedgerAccountNotFound,
    Refusal,
    UnbalancedEntry,
    WalletExists,
)
from core.streams.accounts import Account, account_stream

Role = Literal["hot", "cold", "gas"]


ROLES: Final[tuple[Role, ...]] = get_args(Role)


def wallet_stream(role: str) -> str:
    return f"wallet-{role}"


WALLET_STREAMS: Final = tuple(wallet_stream(role) for role in ROLES)
COLD_WALLET: Final = wallet_stream("cold")
HOT_WALLET: Final = wallet_stream("hot")


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("wallet.registered", by="signer")
class SystemWalletRegistered(Event, frozen=True, kw_only=True):
    """From now on this address plays the role; the one before it, if any, no longer does."""

    role: Role
    address: str
    key_id: str | None


@event("adjustment.posted", by="api")
class AdjustmentPosted(Event, frozen=True, kw_only=True):
    """A correction by the operator, with its reason."""

    adjustment_id: str
    reason: str
    postings: tuple[Posting, ...]


# State


class Wallet(msgspec.Struct, frozen=True):
    """The address that plays a role now."""

    registered: SystemWalletRegistered | None = None

    def evolve(self, happened: Event) -> Self:
        if isinstance(happened, SystemWalletRegistered):
            return msgspec.structs.replace(self, registered=happened)
        return self


def role_of(address: str, histories: Iterable[Sequence[Recorded]]) -> Role | None:
    """The role that an address plays or has played, by the histories of WALLET_STREAMS."""
    registered = (recorded.event for history in histories for recorded in history)
    return next(
        (it.role for it in registered if isinstance(it, SystemWalletRegistered) and it.address == address), None
    )


# Decisions


class RegisterWallet(msgspec.Struct, frozen=True):
    """Name the address that plays a role. Refused when the role is already played by another."""

    role: Role
    address: str
    key_id: str | None
    actor: str

    def streams(self) -> list[str]:
        return [wallet_stream(self.role)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = past.state(wallet_stream(self.role), Wallet()).registered
        if known is not None:
            if known.address == self.address:
                return ()
            return WalletExists(role=self.role, address=known.address)
        registered = SystemWalletRegistered(
            occurred_at=now, actor=self.actor, role=self.role, address=self.address, key_id=self.key_id
        )
        return [New(wallet_stream(self.role), registered)]


class PostAdjustment(msgspec.Struct, frozen=True):
    """Post lines as given. They must balance per book and currency, and overdraw no client."""

    adjustment_id: str
    reason: str
    postings: tuple[Posting, ...]
    actor: str

    def streams(self) -> list[str]:
        clients = dict.fromkeys(line.book for line in self.postings if line.book != TREASURY)
        return [f"adjustment-{self.adjustment_id}", *map(account_stream, clients)]

    def guards(self) -> list[GuardKey]:
        keys = [guard_key(line.book, line.account, line.currency) for line in self.postings if line.book != TREASURY]
        return list(dict.fromkeys(keys))

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        stream = self.streams()[0]
        known = past.state(stream, First()).happened
        if known is not None:
            return repeated(self, known, ("reason", "postings"))
        refusal = self._refusal(past)
        if refusal:
            return refusal
        posted = AdjustmentPosted(
            occurred_at=now,
            actor=self.actor,
            adjustment_id=self.adjustment_id,
            reason=self.reason,
            postings=self.postings,
        )
        return [New(stream, posted)]

    def _refusal(self, past: Past) -> Refusal | None:
        try:
            check_balanced(self.postings)
        except Unbalanced as error:
            return UnbalancedEntry(reason=str(error))
        left: dict[GuardKey, int] = {}
        for line in self.postings:
            if line.currency not in EXPONENTS:
                return UnbalancedEntry(reason=f"there is no currency {line.currency}")
            if line.amount_minor > MAX_MINOR:
                return AmountOutOfRange()
            if line.book == TREASURY:
                if line.account not in books.TREASURY_CHART:
                    return LedgerAccountNotFound(ledger_account=line.account)
                continue
            if past.state(account_stream(line.book), Account()).status == "absent":
                return AccountNotFound()
            if line.account == books.CLIENT_ASSET:
                continue
            key = guard_key(line.book, line.account, line.currency)
            balance = past.balance(key)
            if balance is None:
                return LedgerAccountNotFound(ledger_account=line.account)
            left[key] = left.get(key, balance) + signed(line, "liability")
        for line in self.postings:
            key = guard_key(line.book, line.account, line.currency)
            if left.get(key, 0) < 0:
                return InsufficientFunds.of(
                    line.account, past.balance(key) or 0, (past.balance(key) or 0) - left[key], line.currency
                )
        return None
