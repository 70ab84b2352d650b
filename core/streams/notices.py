"""What a solid block shows of our wallets and of the token that a person must know, each kept once.

Streams token-{txid}-{log index}, permission-{txid} and outgoing-{txid}-{log index, or tx}: the place in the chain is
the name, so a block that is scanned again adds nothing. Where going on would lose money, the same append stops signing.

What stops it: a paused, deprecated or fee-taking token (payouts would revert and burn, go astray, or arrive short); a
hot wallet that is blacklisted or emptied; and every sign that a key of ours is in other hands: a changed permission, a
transaction nobody here signed, or one that was proven dead and stands in a block all the same. A deposit address
that is blacklisted only rings: any payer with tainted coins could bring that about, and stop all payouts with it.
What left in history that a restore lost is booked, and waits for a person (core/streams/lost_outgoing.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, event, upcast
from core.ledger.guard import GuardKey
from core.ledger.journal import Posting
from core.ledger.ledger import Past
from core.ledger.refusals import Refusal, sentence_of
from core.streams.instructions import InstructionExpired, InstructionPrepared, InstructionSigned
from core.streams.lost_outgoing import LeftInLostHistory, find
from core.streams.payouts import PayoutExpired, PayoutPrepared, PayoutSigned
from core.streams.restores import unsettled
from core.streams.signing import SIGNING, Cause, Moment, end, stop
from core.streams.store import STORE

Kind = Literal[
    "token_paused",
    "token_unpaused",
    "token_deprecated",
    "token_fee_changed",
    "address_blacklisted",
    "address_cleared",
    "funds_destroyed",
    "wallet_permission_changed",
    "outgoing",
]


class Notice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="notice"):
    """What was seen, and where. `log_index` is None for what the transaction itself is, not one of its logs.

    `address` and `wallet` are ours and its role. For "outgoing" `amount_minor` may be 0: whatever it did, our key signed
    it. `basis_points` and `maximum_fee_minor` are the token's fee; `other_address` is the receiver, or the successor.
    `place` is the transaction's in its block.
    """

    kind: Kind
    txid: str
    log_index: int | None
    block_number: int
    block_id: str
    block_timestamp_ms: int
    address: str = ""
    wallet: str = ""
    other_address: str = ""
    amount_minor: int = 0
    currency: str = ""
    basis_points: int = 0
    maximum_fee_minor: int = 0
    place: int = 0

    @property
    def moment(self) -> Moment:
        return Moment(self.block_number, self.place, -1 if self.log_index is None else self.log_index)

    @property
    def stream(self) -> str:
        if self.kind == "wallet_permission_changed":
            return f"permission-{self.txid}"
        family = "outgoing" if self.kind == "outgoing" else "token"
        return f"{family}-{self.txid}-{'tx' if self.log_index is None else self.log_index}"


class Departure(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="departure"):
    """An "outgoing" notice of a transaction that this program could have made, and what it did."""

    notice: Notice
    left: LeftInLostHistory

    @property
    def kind(self) -> Kind:
        return self.notice.kind

    @property
    def txid(self) -> str:
        return self.notice.txid

    @property
    def block_id(self) -> str:
        return self.notice.block_id

    @property
    def stream(self) -> str:
        return self.notice.stream


class Noticed(Event, frozen=True, kw_only=True):
    """What all these events carry."""

    notice: Notice

    @property
    def sentence(self) -> str:
        """What it means, and where it was seen."""
        it = self.notice
        about = ", ".join(filter(None, (it.wallet, it.address, it.txid, f"block {it.block_number}")))
        return f"{sentence_of(type(self))} ({about})"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("token.paused", by="recorder")
class TokenPaused(Noticed, frozen=True, kw_only=True):
    """The issuer stopped all transfers: each of ours would revert and burn its fee."""


@event("token.unpaused", by="recorder")
class TokenUnpaused(Noticed, frozen=True, kw_only=True):
    """Transfers are possible again."""


@event("token.deprecated", by="recorder")
class TokenDeprecated(Noticed, frozen=True, kw_only=True):
    """The issuer moved the token to another contract, whose logs nobody here reads yet."""


@event("token.fee-changed", by="recorder")
class TokenFeeChanged(Noticed, frozen=True, kw_only=True):
    """The issuer takes a fee of each transfer, or no longer."""


@event("token.address-blacklisted", by="recorder")
class AddressBlacklisted(Noticed, frozen=True, kw_only=True):
    """One of our addresses can receive the token and not send it."""


@event("token.address-cleared", by="recorder")
class AddressCleared(Noticed, frozen=True, kw_only=True):
    """One of our addresses is no longer blacklisted."""


@event("token.funds-destroyed", version=2, by="recorder")
class FundsDestroyed(Noticed, frozen=True, kw_only=True):
    """The issuer destroyed what one of our addresses held: booked against Suspense until an operator says who bears it."""

    postings: tuple[Posting, ...]


def _unbooked(old: dict[str, Any]) -> dict[str, Any]:
    """Version 1 moved no money: the operator adjusted the books by hand."""
    return old | {"postings": ()}


upcast("token.funds-destroyed/1", "token.funds-destroyed/2", _unbooked)


@event("wallet.permission-changed", by="recorder")
class WalletPermissionChanged(Noticed, frozen=True, kw_only=True):
    """Somebody changed who may sign for one of our addresses: nothing is signed until the chain shows what is declared."""


@event("wallet.outgoing-unexplained", by="recorder")
class OutgoingUnexplained(Noticed, frozen=True, kw_only=True):
    """A transaction of one of our addresses, or coins out of it, that nothing here signed, or that was proven dead."""


EVENTS: Final[dict[Kind, type[Noticed]]] = {
    "token_paused": TokenPaused,
    "token_unpaused": TokenUnpaused,
    "token_deprecated": TokenDeprecated,
    "token_fee_changed": TokenFeeChanged,
    "address_blacklisted": AddressBlacklisted,
    "address_cleared": AddressCleared,
    "funds_destroyed": FundsDestroyed,
    "wallet_permission_changed": WalletPermissionChanged,
    "outgoing": OutgoingUnexplained,
}


# Decisions


class RecordNotice(msgspec.Struct, frozen=True):
    """Keep what was seen. `sent_by` is the stream where the caller found its txid prepared: an outgoing one needs that.

    `left` is what an outgoing one did: it is booked where nothing explains it, so that no payout of the same is made before
    somebody has looked (FAILURES 71). While a restored history is not settled, it is of its lost part, and no sign of theft.
    """

    notice: Notice
    sent_by: str | None
    actor: str
    left: LeftInLostHistory | None = None

    def streams(self) -> list[str]:
        explained = [self.sent_by] if self.sent_by else []
        lost = [STORE, self.left.stream] if self.left is not None else []
        return [self.notice.stream, SIGNING, *explained, *lost]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        notice = self.notice
        if past.history(notice.stream):
            return ()
        ends = cause = None
        news: list[New] = []
        if notice.kind == "outgoing":
            cause = self._cause_of_outgoing(past)
            if cause is None:
                return ()
            if cause == "outgoing_unexplained" and self.left is not None and not self._is_prepared(past):
                news = find(past, now, self.actor, self.left)
                if self._may_be_lost(past):
                    return news
        else:
            cause, ends = _STOPS.get((notice.kind, notice.wallet)), _ENDS.get((notice.kind, notice.wallet))
        if notice.kind == "token_fee_changed":
            taken = notice.basis_points and notice.maximum_fee_minor
            cause, ends = ("token_fee_on", None) if taken else (None, "token_fee_on")
        news = [New(notice.stream, self._noticed(now)), *news]
        if cause is not None:
            news += stop(past, now, self.actor, cause, notice.stream, notice.moment)
        if ends is not None:
            news += end(past, now, self.actor, ends, notice.stream, notice.moment)
        return news

    def _cause_of_outgoing(self, past: Past) -> Cause | None:
        """None where a payout or an instruction explains it: its bytes were signed here and never proven dead (I7, I8)."""
        happened = [recorded.event for recorded in past.history(self.sent_by)] if self.sent_by else []
        if any(isinstance(it, PayoutExpired | InstructionExpired) and it.txid == self.notice.txid for it in happened):
            return "dead_payout_mined"
        signed = any(
            isinstance(it, PayoutSigned | InstructionSigned) and it.txid == self.notice.txid for it in happened
        )
        if signed or (self._is_prepared(past) and self._may_be_lost(past)):
            return None  # what was prepared before the copy was made, and signed after it, ends as ever
        return "outgoing_unexplained"

    def _is_prepared(self, past: Past) -> bool:
        """Whether these are bytes of an order here, whoever signed them: then its own end books what they did."""
        happened = (recorded.event for recorded in past.history(self.sent_by)) if self.sent_by else ()
        attempts = (it.attempt for it in happened if isinstance(it, PayoutPrepared | InstructionPrepared))
        return any(attempt.txid == self.notice.txid for attempt in attempts)

    def _may_be_lost(self, past: Past) -> bool:
        restored = unsettled(past)
        return restored is not None and self.notice.block_number > restored.solid_block

    def _noticed(self, now: datetime) -> Noticed:
        notice = self.notice
        if notice.kind == "funds_destroyed":
            postings = books.funds_destroyed(books.WALLET_ACCOUNTS[notice.wallet], notice.amount_minor)
            return FundsDestroyed(occurred_at=now, actor=self.actor, notice=notice, postings=postings)
        return EVENTS[notice.kind](occurred_at=now, actor=self.actor, notice=notice)


_EVERY: Final = ("hot", "cold", "gas", "payin")
_STOPS: Final[dict[tuple[Kind, str], Cause]] = {
    ("token_paused", ""): "token_paused",
    ("token_deprecated", ""): "token_deprecated",
    ("address_blacklisted", "hot"): "hot_wallet_blacklisted",
    ("funds_destroyed", "hot"): "hot_wallet_funds_destroyed",
    **{("wallet_permission_changed", wallet): "wallet_permission_changed" for wallet in _EVERY},
}
_ENDS: Final[dict[tuple[Kind, str], Cause]] = {
    ("token_unpaused", ""): "token_paused",
    ("address_cleared", "hot"): "hot_wallet_blacklisted",
}
