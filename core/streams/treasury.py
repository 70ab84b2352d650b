"""The operator's own acts: system wallets, adjustments.

Streams wallet-{role}, adjustment-{id}.

    SystemWalletRegistered -> SystemWalletRegistered ...      AdjustmentPosted
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, Self, get_args

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, Recorded, event
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import TREASURY, Posting, Unbalanced, check_balanced, signed
from core.ledger.keyed import First, repeated
from core.ledger.ledger import Past
from core.ledger.money import EXPONENTS, LINE_MAX, format_amount
from core.ledger.refusals import (
    AccountNotFound,
    AmountOutOfRange,
    CustodyNotMatched,
    InsufficientFunds,
    LedgerAccountNotFound,
    Refusal,
    UnbalancedEntry,
    WalletExists,
    WalletNotAsOnChain,
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


class WalletSeen(msgspec.Struct, frozen=True):
    """Where books and chain differ about a wallet's account, as the caller found it: minor units."""

    ledger_account: str
    currency: str
    booked_minor: int
    found_minor: int


class PostAdjustment(msgspec.Struct, frozen=True):
    """Post lines as given. They must balance per book and currency, overdraw no client, and leave I10 as it is.

    `watched` are the treasury's accounts of wallets that the chain is asked about, `seen` where the two differ: an adjustment
    may bring such an account nearer to the chain and never away from it. Who has not looked gives neither.
    """

    adjustment_id: str
    reason: str
    postings: tuple[Posting, ...]
    actor: str
    watched: tuple[str, ...] = ()
    seen: tuple[WalletSeen, ...] = ()

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
            if line.amount_minor > LINE_MAX:
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
        return self._breaks_custody() or self._leaves_chain()

    def _changes(self, holds: Callable[[Posting], bool]) -> dict[tuple[str, str], int]:
        """(ledger account, currency) -> debits minus credits, of the lines that it holds of."""
        changes: dict[tuple[str, str], int] = {}
        for line in self.postings:
            if holds(line):
                key = line.account, line.currency
                changes[key] = changes.get(key, 0) + signed(line, "asset")
        return changes

    def _breaks_custody(self) -> Refusal | None:
        """I10: what clients may claim is what the treasury holds for them."""
        claims = self._changes(lambda line: line.book != TREASURY and line.account == books.CLIENT_ASSET)
        custody = self._changes(lambda line: line.book == TREASURY and line.account == books.CUSTODY_CONTROL)
        for currency in EXPONENTS:
            claimed = claims.get((books.CLIENT_ASSET, currency), 0)
            held = -custody.get((books.CUSTODY_CONTROL, currency), 0)
            if claimed != held:
                return CustodyNotMatched(
                    claimed=signed_amount(claimed, currency), held=signed_amount(held, currency), currency=currency
                )
        return None

    def _leaves_chain(self) -> Refusal | None:
        """I10: a wallet's account is what the chain shows of it."""
        seen = {(each.ledger_account, each.currency): each for each in self.seen}
        changes = self._changes(lambda line: line.book == TREASURY and line.account in self.watched)
        for (account, currency), change in changes.items():
            known = seen.get((account, currency))
            missing = 0 if known is None else known.found_minor - known.booked_minor
            if abs(missing - change) > abs(missing) or (change and not missing):
                booked, found = (0, 0) if known is None else (known.booked_minor, known.found_minor)
                same = "as much" if known is None else ""
                return WalletNotAsOnChain(
                    ledger_account=account,
                    currency=currency,
                    booked=same or format_amount(booked, currency),
                    found=same or format_amount(found, currency),
                    change=signed_amount(change, currency),
                )
        return None


def signed_amount(minor: int, currency: str) -> str:
    """With its sign, plus included."""
    return f"{'-' if minor < 0 else '+'}{format_amount(abs(minor), currency)}"
