"""Stream signing: whether payouts may be signed, and if not, why.

    (SigningStopped -> SigningCauseEnded | PermissionsAgreed | SigningResumed)*

Several causes may hold at once; signing goes on when the last has ended. What the chain itself takes back (a pause, a
fee, a blacklisting, permissions that are as declared again) ends its own cause and no other. Everything else ends when a
person has looked and says so; that the store is older than what was seen elsewhere (core/streams/store.py), only once that
is no longer so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.ledger import refusals
from core.ledger.events import Event, New, event, upcast
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import Refusal, RestoreNotSettled, SigningIsStopped
from core.streams.lost_outgoing import NOTHING_LOST
from core.streams.store import STORE, Doubt, Store, StoreIsOlder

SIGNING: Final = "signing"

Cause = Literal[
    "token_paused",
    "token_fee_on",
    "token_deprecated",
    "hot_wallet_blacklisted",
    "hot_wallet_funds_destroyed",
    "wallet_permission_changed",
    "outgoing_unexplained",
    "dead_payout_mined",
    "store_is_older",
    "payout_not_covered",
    "history_not_sealed",
    "evacuation",
    "restored",
]


class Moment(msgspec.Struct, frozen=True, order=True):
    """Where on the chain: the transaction's place in its block, the log's in its transaction, -1 where it is no log."""

    block_number: int
    place: int
    log_index: int


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("signing.stopped", version=2, by=("recorder", "signer", "api"))
class SigningStopped(Event, frozen=True, kw_only=True):
    """Going on would lose money; `stream` holds the event that shows it."""

    cause: Cause
    stream: str
    moment: Moment | None


@event("signing.cause-ended", version=2, by="recorder")
class SigningCauseEnded(Event, frozen=True, kw_only=True):
    """The chain took back what stops signing; `stream` holds the event that shows it.

    Recorded also while the cause does not hold: what the chain did before this moment may be reported later, and is over.
    """

    cause: Cause
    stream: str
    moment: Moment | None


for _topic in ("signing.stopped", "signing.cause-ended"):
    upcast(f"{_topic}/1", f"{_topic}/2", lambda fields: fields | {"moment": None})


@event("signing.permissions-agreed", by="signer", level=2)
class PermissionsAgreed(Event, frozen=True, kw_only=True):
    """The chain shows of each wallet what is declared of it: changed permissions stop signing no longer.

    `streams` hold what had stopped it. An event of its own, because who appends it ends this cause and no other.
    """

    streams: tuple[str, ...]


@event("signing.resumed", by="api")
class SigningResumed(Event, frozen=True, kw_only=True):
    """An operator has looked: these causes are settled."""

    causes: tuple[Cause, ...]
    reason: str


# State


class Signing(msgspec.Struct, frozen=True):
    """The causes that hold now, the oldest first, and the last moment at which the chain began or ended each.

    `streams` of each that holds: what shows it, the oldest first.
    """

    causes: tuple[Cause, ...] = ()
    moments: dict[Cause, Moment] = {}
    streams: dict[Cause, tuple[str, ...]] = {}

    def evolve(self, happened: Event) -> Self:
        match happened:
            case SigningStopped():
                causes = (*(cause for cause in self.causes if cause != happened.cause), happened.cause)
                known = (each for each in self.streams.get(happened.cause, ()) if each != happened.stream)
                streams = self.streams | {happened.cause: (*known, happened.stream)}
                return msgspec.structs.replace(self, causes=causes, streams=streams, moments=self._moved(happened))
            case SigningCauseEnded():
                return msgspec.structs.replace(self._without(happened.cause), moments=self._moved(happened))
            case PermissionsAgreed():
                return self._without("wallet_permission_changed")
            case SigningResumed():
                return self._without(*happened.causes)
        return self

    def _without(self, *ended: Cause) -> Self:
        causes = tuple(cause for cause in self.causes if cause not in ended)
        return msgspec.structs.replace(
            self, causes=causes, streams={cause: self.streams[cause] for cause in causes if cause in self.streams}
        )

    def _moved(self, happened: SigningStopped | SigningCauseEnded) -> dict[Cause, Moment]:
        return self.moments | ({} if happened.moment is None else {happened.cause: happened.moment})

    def is_over(self, cause: Cause, moment: Moment) -> bool:
        """Whether a later moment of the chain has already spoken for or against this cause."""
        known = self.moments.get(cause)
        return known is not None and moment < known


# Decisions


def must_be_signing(past: Past) -> Refusal | None:
    """Why nothing may be prepared, signed or sent for the first time, or None."""
    causes = past.state(SIGNING, Signing()).causes
    return SigningIsStopped(causes=", ".join(causes)) if causes else None


def stop(past: Past, now: datetime, actor: str, cause: Cause, stream: str, moment: Moment) -> list[New]:
    """Stop for this cause, unless it holds already, or the chain has ended it since (reported late, after a queue was lost).

    Each wallet whose permissions changed stops signing by itself: one that is as declared again must not end another's.
    """
    signing = past.state(SIGNING, Signing())
    holds = cause in signing.causes and (cause != "wallet_permission_changed" or stream in signing.streams[cause])
    if holds or signing.is_over(cause, moment):
        return []
    stopped = SigningStopped(occurred_at=now, actor=actor, cause=cause, stream=stream, moment=moment)
    return [New(SIGNING, stopped)]


def end(past: Past, now: datetime, actor: str, cause: Cause, stream: str, moment: Moment) -> list[New]:
    """End this cause, also one that is yet to be reported; not one that the chain has begun anew since."""
    if past.state(SIGNING, Signing()).is_over(cause, moment):
        return []
    ended = SigningCauseEnded(occurred_at=now, actor=actor, cause=cause, stream=stream, moment=moment)
    return [New(SIGNING, ended)]


class StopOlderStore(msgspec.Struct, frozen=True):
    """Hold against this store that a later one was seen elsewhere, and stop signing. The same doubt twice changes nothing."""

    head: int
    seen: int
    doubt: Doubt
    sentence: str
    actor: str

    def streams(self) -> list[str]:
        return [STORE, SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        news: list[New] = []
        known = past.state(STORE, Store()).older
        if known is None or known.doubt != self.doubt:
            older = StoreIsOlder(
                occurred_at=now,
                actor=self.actor,
                head=self.head,
                seen=self.seen,
                doubt=self.doubt,
                sentence=self.sentence,
            )
            news.append(New(STORE, older))
        if "store_is_older" not in past.state(SIGNING, Signing()).causes:
            stopped = SigningStopped(
                occurred_at=now, actor=self.actor, cause="store_is_older", stream=STORE, moment=None
            )
            news.append(New(SIGNING, stopped))
        return news


class StopSigning(msgspec.Struct, frozen=True):
    """The signer itself stops for what `stream` shows; once for each, so that what an operator has settled stays so."""

    cause: Cause
    stream: str
    actor: str

    def streams(self) -> list[str]:
        return [SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        stops = (it.event for it in past.history(SIGNING) if isinstance(it.event, SigningStopped))
        if any((it.cause, it.stream) == (self.cause, self.stream) for it in stops):
            return ()
        stopped = SigningStopped(occurred_at=now, actor=self.actor, cause=self.cause, stream=self.stream, moment=None)
        return [New(SIGNING, stopped)]


class Settlement(msgspec.Struct, frozen=True):
    """How far a restore is settled, as the caller found it: each stream of what was lost, and what is still waited for."""

    lost: tuple[str, ...] = ()
    waits_for: str = "nobody has looked at the chain yet"

    def refusal(self, past: Past) -> Refusal | None:
        """Whether a transfer is open is decided here, under the append lock."""
        if self.waits_for:
            return RestoreNotSettled(reason=self.waits_for)
        states = (past.state(stream, NOTHING_LOST) for stream in self.lost)
        open_ones = [left.txid for state in states for left in state.open]
        if open_ones:
            txids = ", ".join(open_ones[:3]) + (" and others" if len(open_ones) > 3 else "")
            return RestoreNotSettled(reason=f"{len(open_ones)} transfers are not attributed or written off: {txids}")
        return None


class ResumeSigning(msgspec.Struct, frozen=True):
    """Settle the causes that the operator has seen. What came since goes on holding, and so does an older store.

    That the history was restored is settled only where `settlement` shows that nothing is open.
    """

    causes: tuple[Cause, ...]
    reason: str
    actor: str
    settlement: Settlement = Settlement()

    def streams(self) -> list[str]:
        return [SIGNING, STORE, *self.settlement.lost]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        holding = past.state(SIGNING, Signing()).causes
        older = past.state(STORE, Store()).older
        settled = tuple(cause for cause in holding if cause in self.causes)
        if older is not None and "store_is_older" in settled:
            settled = tuple(cause for cause in settled if cause != "store_is_older")
            if not settled:
                return refusals.StoreIsOlder(sentence=older.sentence)
        if not settled:
            return ()
        if "restored" in settled and (refusal := self.settlement.refusal(past)) is not None:
            return refusal
        resumed = SigningResumed(occurred_at=now, actor=self.actor, causes=settled, reason=self.reason)
        return [New(SIGNING, resumed)]
