"""How anything leaves a wallet of ours: the bytes of each attempt, the proof that one is dead, and the four steps of each.

Payouts and the treasury's own instructions share all of it: prepared, signed, broadcast and, perhaps, expired, after which the
next may be prepared. What may still be mined is never replaced (I7).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, Self

import msgspec

from core.ledger.events import Event, New
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import Refusal, WrongState
from core.streams.signing import SIGNING, Signing, must_be_signing


class Attempt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The bytes of one attempt: raw_data (hex), their txid, and the chain time (ms) after which they are dead.

    With the order, the other fields are everything the bytes were built from: the signer builds them again (I8).
    `permission_id` is which of the wallet's permissions signs them: stored only where it is not the owner's, 0.
    """

    number: int
    txid: str
    raw_data: str
    expiration_ms: int
    ref_block_number: int
    ref_block_id: str
    timestamp_ms: int
    fee_limit_sun: int
    from_address: str
    permission_id: int = 0


class ProofOfDeath(msgspec.Struct, frozen=True):
    """A run of our own log of solid blocks: from the one behind the reference block to the first as old as the expiration.

    Each names the one before it as its parent, the first the attempt's reference block, and none holds the txid.
    `blocks` is their count; 0 in a proof of version 1, which rested on a node's word about its last block.
    """

    first_block_number: int
    first_block_id: str
    last_block_number: int
    last_block_id: str
    last_timestamp_ms: int
    blocks: int

    def covers(self, attempt: Attempt) -> bool:
        """Whether the run has the length and the ends that the attempt's bytes ask for."""
        return (
            self.first_block_number == attempt.ref_block_number + 1
            and self.blocks == self.last_block_number - attempt.ref_block_number > 0
            and self.last_timestamp_ms >= attempt.expiration_ms
        )


Verdict = Literal["new", "known", "wrong"]
"""Of a wish: it is the next thing to happen, it has happened, or it must not."""


# State


class Attempts(msgspec.Struct, frozen=True):
    """Every attempt at one transaction, and how far the last of them came: prepared, signed, broadcast, dead."""

    made: tuple[Attempt, ...] = ()
    signature: str | None = None
    """Of the last attempt, once it is signed."""
    sent: bool = False
    """The last attempt was given to a node."""
    dead: bool = False
    """The last attempt can never be mined, proven; or it was, and did nothing but burn its fee."""
    left: int = 0
    """How many were given to a node: one that never left says nothing of what it was to do."""
    failed: tuple[str, ...] = ()
    """The txids of those that were mined in vain and were no end."""

    @property
    def last(self) -> Attempt | None:
        return self.made[-1] if self.made else None

    @property
    def alive(self) -> Attempt | None:
        """The attempt that may still be mined: while there is one, no other may be prepared (I7)."""
        return None if self.dead else self.last

    # What happened

    def prepared(self, attempt: Attempt) -> Self:
        return msgspec.structs.replace(self, made=(*self.made, attempt), signature=None, sent=False, dead=False)

    def signed(self, signature: str) -> Self:
        return msgspec.structs.replace(self, signature=signature)

    def broadcast(self) -> Self:
        return msgspec.structs.replace(self, sent=True, left=self.left + 1)

    def expired(self) -> Self:
        return msgspec.structs.replace(self, dead=True)

    def mined_in_vain(self) -> Self:
        last = self.last
        return msgspec.structs.replace(self, dead=True, failed=(*self.failed, *([last.txid] if last else [])))

    # What may happen

    def has(self, txid: str) -> bool:
        """Whether any of the attempts is this transaction."""
        return any(attempt.txid == txid for attempt in self.made)

    def preparing(self, attempt: Attempt) -> Verdict:
        if self.last is not None and self.last.txid == attempt.txid:
            return "known"
        return "new" if self.alive is None and attempt.number == len(self.made) + 1 else "wrong"

    def signing(self, txid: str) -> Verdict:
        if self.last is None or self.last.txid != txid:
            return "wrong"
        if self.signature is not None:
            return "known"
        return "wrong" if self.dead else "new"

    def broadcasting(self, txid: str) -> Verdict:
        if self.alive is None or self.alive.txid != txid or self.signature is None:
            return "wrong"
        return "known" if self.sent else "new"

    def expiring(self, txid: str, proof: ProofOfDeath) -> Verdict:
        if self.last is None or self.last.txid != txid:
            return "wrong"
        if self.dead:
            return "known"
        return "new" if proof.covers(self.last) else "wrong"


class Leaving(Protocol):
    """What decisions know of something that leaves a wallet."""

    @property
    def state(self) -> str: ...

    @property
    def attempts(self) -> Attempts: ...

    @property
    def under_way(self) -> bool:
        """It was ordered, and is not over."""


class Order(Protocol):
    """The recorded intent: a payout's order or an instruction."""

    @property
    def stream(self) -> str: ...

    @property
    def ids(self) -> Mapping[str, str]:
        """What each event of it carries of it."""

    @property
    def owners(self) -> Sequence[str]:
        """The streams of whose coins it moves, or who gets them: what `held` and `evacuates` look at."""

    @property
    def lost(self) -> str:
        """The stream of what left in lost history and may have been this; "" where nothing can have."""

    @property
    def payer(self) -> str:
        """The stream of the system wallet that makes it; "" where none does."""

    def made_by(self, address: str, past: Past) -> Refusal | None:
        """Why it may not be prepared for this address; `past` has the stream of its payer."""

    def held(self, past: Past) -> Refusal | None:
        """Why no bytes of it may be made or signed now, whoever asks; `past` has its owners, and what may have been it."""

    def evacuates(self, past: Past) -> bool:
        """Whether it brings coins to cold storage, or what they need for it, so that it goes on while nothing else does."""


class Steps(NamedTuple):
    """What a kind of order makes of the steps: its state before anything happened, and the event of each step."""

    nothing: Any
    prepared: type[Event]
    signed: type[Event]
    broadcast: type[Event]
    expired: type[Event]


STEPS: Final[dict[type, Steps]] = {}
"""By the kind of order; each declares its own."""


# Decisions


class _AttemptCommand(msgspec.Struct, frozen=True):
    """A step of an order that exists. Nothing is posted: what is reserved stays so until a receipt ends the order."""

    order: Order
    actor: str

    def streams(self) -> list[str]:
        return [self.order.stream]

    def guards(self) -> list[GuardKey]:
        return []

    @property
    def _steps(self) -> Steps:
        return STEPS[type(self.order)]

    def _known(self, past: Past) -> Leaving:
        return past.state(self.order.stream, self._steps.nothing)  # type: ignore[no-any-return]

    def _held(self, known: Leaving, verdict: Verdict, wish: str) -> Sequence[New] | Refusal | None:
        """The answer to a wish that is not the next thing to happen, None where it is; what is over, is over."""
        if verdict == "new" and known.under_way:
            return None
        return () if verdict == "known" else WrongState(stream=self.order.stream, state=known.state, wish=wish)

    def _new(self, kind: type[Event], now: datetime, **fields: Any) -> list[New]:
        return [New(self.order.stream, kind(occurred_at=now, actor=self.actor, **self.order.ids, **fields))]


class _SigningCommand(_AttemptCommand, frozen=True):
    """A step towards the first broadcast: refused under the append lock while signing is stopped."""

    def streams(self) -> list[str]:
        lost = self.order.lost
        return [self.order.stream, SIGNING, *self.order.owners, *([lost] if lost else [])]

    def _stopped(self, past: Past) -> Refusal | None:
        """What stops signing stops no evacuation: where the coins are is less safe than where they go."""
        if "evacuation" in past.state(SIGNING, Signing()).causes and self.order.evacuates(past):
            return None
        return must_be_signing(past)


class PrepareAttempt(_SigningCommand, frozen=True, kw_only=True):
    """Fix the bytes of the next attempt. Refused while an earlier attempt could still be mined (I7)."""

    attempt: Attempt

    def streams(self) -> list[str]:
        payer = self.order.payer
        return list(dict.fromkeys([*super().streams(), *([payer] if payer else [])]))

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if (held := self._held(known, known.attempts.preparing(self.attempt), "prepared")) is not None:
            return held
        held = self._stopped(past) or self.order.held(past) or self.order.made_by(self.attempt.from_address, past)
        return held or self._new(self._steps.prepared, now, attempt=self.attempt)


class SignAttempt(_SigningCommand, frozen=True, kw_only=True):
    """Keep the signature over the prepared bytes, before anything is broadcast."""

    txid: str
    signature: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if (held := self._held(known, known.attempts.signing(self.txid), f"signed as {self.txid}")) is not None:
            return held
        signed = self._new(self._steps.signed, now, txid=self.txid, signature=self.signature)
        return self._stopped(past) or self.order.held(past) or signed


class BroadcastAttempt(_SigningCommand, frozen=True, kw_only=True):
    """Note that the signed bytes are given to the network now."""

    txid: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if (held := self._held(known, known.attempts.broadcasting(self.txid), f"broadcast as {self.txid}")) is not None:
            return held
        return self._stopped(past) or self._new(self._steps.broadcast, now, txid=self.txid)


class ExpireAttempt(_AttemptCommand, frozen=True, kw_only=True):
    """Record the proof that the last attempt can never be mined. Refused unless it covers the attempt's whole life."""

    txid: str
    proof: ProofOfDeath

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        wish = f"expired as {self.txid}, or without a proof for all its life"
        if (held := self._held(known, known.attempts.expiring(self.txid, self.proof), wish)) is not None:
            return held
        return self._new(self._steps.expired, now, txid=self.txid, proof=self.proof)
