"""Stream instruction-{id}: a wallet of ours is to make one transaction that is no payout, at most once (I7).

    InstructionGiven -> InstructionWithdrawn
    InstructionGiven -> (InstructionPrepared -> InstructionSigned -> InstructionBroadcast -> InstructionExpired)* -> ...
                                                        -> InstructionConfirmed | InstructionFailed

A sweep's transfer, the TRX for it, energy lent and taken back, stake, coins to and from cold storage: all are this, so
there is one way out of a wallet beside payouts, and one proof that nothing goes out twice. Given is the recorded intent
that the signer checks the bytes against (I8). Confirmed and failed rest on a receipt in a solid block.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.ledger import books
from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.journal import Posting
from core.ledger.ledger import Past
from core.ledger.refusals import ConflictingFacts, Refusal, WrongState
from core.streams.attempts import STEPS, Attempt, Attempts, ProofOfDeath, Steps
from core.streams.treasury import COLD_WALLET, wallet_stream
from core.streams.treasury import Wallet as WalletState
from core.streams.wallet.rotation import NOBODY, must_play
from core.tron.chain import Resource

Purpose = Literal["sweep", "fuel", "loan", "loan_return", "excess", "refill", "stake", "evacuation", "rotation"]
"""A deposit address's coins; TRX for that; energy lent for that, and taken back; hot to cold; cold to hot; stake; the hot
wallet's coins to cold storage while everything goes there; what a replaced wallet has, to the one in its place."""
Wallet = Literal["payin", "hot", "cold", "gas"]
State = Literal["absent", "given", "prepared", "broadcast", "confirmed", "failed", "withdrawn"]
FINAL: Final[frozenset[State]] = frozenset({"confirmed", "failed", "withdrawn"})
OF_FORMER: Final[frozenset[Purpose]] = frozenset({"rotation", "loan_return", "evacuation"})
"""All that a wallet makes which another has replaced."""


def instruction_stream(instruction_id: str) -> str:
    return f"instruction-{instruction_id}"


class SendToken(msgspec.Struct, frozen=True, tag_field="act", tag="send_token"):
    """USDT to another address of ours."""

    to: str
    amount_minor: int


class SendTrx(msgspec.Struct, frozen=True, tag_field="act", tag="send_trx"):
    """TRX to another address of ours; one that has no account yet is activated by it."""

    to: str
    amount_sun: int


class Freeze(msgspec.Struct, frozen=True, tag_field="act", tag="freeze"):
    """Stake TRX for a resource (Stake 2.0)."""

    amount_sun: int
    resource: Resource


class Unfreeze(msgspec.Struct, frozen=True, tag_field="act", tag="unfreeze"):
    """Ask for stake back: it comes after the chain's waiting time, 14 days."""

    amount_sun: int
    resource: Resource


class WithdrawUnfrozen(msgspec.Struct, frozen=True, tag_field="act", tag="withdraw_unfrozen"):
    """Take what has waited long enough."""


class Delegate(msgspec.Struct, frozen=True, tag_field="act", tag="delegate"):
    """Lend the resource that this much stake gives; it can be taken back at any time."""

    receiver: str
    stake_sun: int
    resource: Resource


class Undelegate(msgspec.Struct, frozen=True, tag_field="act", tag="undelegate"):
    """Take lent stake back, and the receiver's usage of it."""

    receiver: str
    stake_sun: int
    resource: Resource


Act = SendToken | SendTrx | Freeze | Unfreeze | WithdrawUnfrozen | Delegate | Undelegate


class Instruction(msgspec.Struct, frozen=True):
    """Who is to do what. `serves` is the stream of the sweep that it is part of; nothing where it stands alone."""

    instruction_id: str
    purpose: Purpose
    serves: str
    owner: str
    wallet: Wallet
    act: Act

    @property
    def stream(self) -> str:
        return instruction_stream(self.instruction_id)

    @property
    def ids(self) -> dict[str, str]:
        return {"instruction_id": self.instruction_id}

    @property
    def owners(self) -> Sequence[str]:
        """The treasury's coins are no account's; where they go may matter: to cold storage, or to a wallet's successor."""
        return (COLD_WALLET, self.payer) if self.purpose == "rotation" else (COLD_WALLET,)

    @property
    def payer(self) -> str:
        return wallet_stream(self.wallet) if self.wallet in ("hot", "gas") else ""

    @property
    def lost(self) -> str:
        return ""

    def held(self, past: Past) -> Refusal | None:
        """What empties a replaced wallet goes to the one in its place, and nowhere else."""
        if self.purpose != "rotation" or isinstance(self.act, Unfreeze | WithdrawUnfrozen | Undelegate):
            return None
        playing = past.state(wallet_stream(self.wallet), NOBODY).playing
        if playing is not None and isinstance(self.act, SendToken | SendTrx) and self.act.to == playing.address:
            return None
        return WrongState(stream=self.stream, state="not to the wallet that plays the role now", wish="made")

    def made_by(self, address: str, past: Past) -> Refusal | None:
        """A replaced wallet makes nothing but what empties it."""
        if self.purpose in OF_FORMER or not self.payer:
            return None
        return must_play(self.stream, address, past.state(self.payer, NOBODY))

    def evacuates(self, past: Past) -> bool:
        cold = past.state(COLD_WALLET, WalletState()).registered
        return cold is not None and self.serves_evacuation(cold.address)

    def serves_evacuation(self, cold_address: str) -> bool:
        """Tokens for this address, or what deposit addresses need to send them."""
        match self.act:
            case SendToken(to=to):
                return to == cold_address
            case SendTrx() | Delegate() | Undelegate():
                return self.purpose in ("fuel", "loan", "loan_return")
        return False


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("instruction.given", by="signer")
class InstructionGiven(Event, frozen=True, kw_only=True):
    instruction: Instruction


@event("instruction.withdrawn", by="signer")
class InstructionWithdrawn(Event, frozen=True, kw_only=True):
    """No bytes of it can be mined, and none will be made."""

    instruction: Instruction
    reason: str


@event("instruction.prepared", by="signer")
class InstructionPrepared(Event, frozen=True, kw_only=True):
    instruction_id: str
    attempt: Attempt


@event("instruction.signed", by="signer")
class InstructionSigned(Event, frozen=True, kw_only=True):
    instruction_id: str
    txid: str
    signature: str


@event("instruction.broadcast", by="signer")
class InstructionBroadcast(Event, frozen=True, kw_only=True):
    """The signed bytes were given to a node for the first time; what the node answered decides nothing."""

    instruction_id: str
    txid: str


@event("instruction.expired", by="signer")
class InstructionExpired(Event, frozen=True, kw_only=True):
    """Proof of death: from the reference block to a solid one as old as the expiration, no block has it (TRON.md 2.7)."""

    instruction_id: str
    txid: str
    proof: ProofOfDeath


@event("instruction.confirmed", by="signer")
class InstructionConfirmed(Event, frozen=True, kw_only=True):
    """Done, as a solid receipt shows. `taken_minor` went to the token's issuer; `returned_sun` is stake that came back."""

    instruction: Instruction
    txid: str
    block_number: int
    block_timestamp_ms: int
    burned_sun: int
    taken_minor: int
    returned_sun: int
    postings: tuple[Posting, ...]


@event("instruction.failed", by="signer")
class InstructionFailed(Event, frozen=True, kw_only=True):
    """It was mined and did nothing but burn its fee."""

    instruction: Instruction
    failure_code: str
    txid: str
    block_number: int
    burned_sun: int
    postings: tuple[Posting, ...]


# State


class InstructionState(msgspec.Struct, frozen=True):
    """What decisions and the signer know of an instruction."""

    state: State = "absent"
    instruction: Instruction | None = None
    attempts: Attempts = Attempts()
    end: InstructionConfirmed | InstructionFailed | InstructionWithdrawn | None = None

    def evolve(self, happened: Event) -> Self:
        replace = msgspec.structs.replace
        match happened:
            case InstructionGiven():
                return replace(self, state="given", instruction=happened.instruction)
            case InstructionPrepared():
                return replace(self, state="prepared", attempts=self.attempts.prepared(happened.attempt))
            case InstructionSigned():
                return replace(self, attempts=self.attempts.signed(happened.signature))
            case InstructionBroadcast():
                return replace(self, state="broadcast", attempts=self.attempts.broadcast())
            case InstructionExpired():
                return replace(self, state="given", attempts=self.attempts.expired())
            case InstructionConfirmed():
                return replace(self, state="confirmed", end=happened)
            case InstructionFailed():
                return replace(self, state="failed", end=happened)
            case InstructionWithdrawn():
                return replace(self, state="withdrawn", end=happened)
        return self

    @property
    def over(self) -> bool:
        return self.state in FINAL

    @property
    def under_way(self) -> bool:
        return self.instruction is not None and self.state not in FINAL


STEPS[Instruction] = Steps(
    InstructionState(), InstructionPrepared, InstructionSigned, InstructionBroadcast, InstructionExpired
)


# Decisions


def giving(past: Past, now: datetime, actor: str, instruction: Instruction) -> Sequence[New] | Refusal:
    """The events that give an instruction, none where it was given before; for commands that give one among other things."""
    known = past.state(instruction.stream, InstructionState()).instruction
    if known is None:
        return [New(instruction.stream, InstructionGiven(occurred_at=now, actor=actor, instruction=instruction))]
    if known == instruction:
        return ()
    fields = (name for name in instruction.__struct_fields__ if getattr(known, name) != getattr(instruction, name))
    return ConflictingFacts(stream=instruction.stream, difference=", ".join(fields))


class _InstructionCommand(msgspec.Struct, frozen=True):
    """What all of them share."""

    instruction: Instruction
    actor: str

    def streams(self) -> list[str]:
        return [self.instruction.stream]

    def guards(self) -> list[GuardKey]:
        return []

    def _known(self, past: Past) -> InstructionState:
        return past.state(self.instruction.stream, InstructionState())

    def _new(self, happened: Event) -> list[New]:
        return [New(self.instruction.stream, happened)]

    def _wrong(self, known: InstructionState, wish: str) -> WrongState:
        return WrongState(stream=self.instruction.stream, state=known.state, wish=wish)


class GiveInstruction(_InstructionCommand, frozen=True):
    """Record what a wallet is to do. The same id with another intent is refused."""

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        return giving(past, now, self.actor, self.instruction)


class WithdrawInstruction(_InstructionCommand, frozen=True, kw_only=True):
    """Give it up. Refused while any bytes of it could still be mined."""

    reason: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if known.state == "withdrawn":
            return ()
        if known.state != "given":
            return self._wrong(known, "withdrawn")
        withdrawn = InstructionWithdrawn(
            occurred_at=now, actor=self.actor, instruction=self.instruction, reason=self.reason
        )
        return self._new(withdrawn)


class ConfirmInstruction(_InstructionCommand, frozen=True, kw_only=True):
    """A solid receipt shows that it was done, to the unit."""

    txid: str
    block_number: int
    block_timestamp_ms: int
    burned_sun: int
    taken_minor: int = 0
    returned_sun: int = 0

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if known.state == "confirmed":
            return ()
        if known.state in FINAL or known.instruction != self.instruction or not known.attempts.has(self.txid):
            return self._wrong(known, f"confirmed as {self.txid}")
        confirmed = InstructionConfirmed(
            occurred_at=now,
            actor=self.actor,
            instruction=self.instruction,
            txid=self.txid,
            block_number=self.block_number,
            block_timestamp_ms=self.block_timestamp_ms,
            burned_sun=self.burned_sun,
            taken_minor=self.taken_minor,
            returned_sun=self.returned_sun,
            postings=self._postings(),
        )
        return self._new(confirmed)

    def _postings(self) -> tuple[Posting, ...]:
        account, burned_sun = books.WALLET_ACCOUNTS[self.instruction.wallet], self.burned_sun
        match self.instruction.act:
            case SendToken(amount_minor=amount):
                return books.coins_sent(account, amount, "USDT", taken_minor=self.taken_minor, burned_sun=burned_sun)
            case SendTrx(amount_sun=amount):
                return books.coins_sent(account, amount, "TRX", taken_minor=0, burned_sun=burned_sun)
            case Freeze(amount_sun=amount):
                return books.staked(account, amount, burned_sun)
            case Unfreeze() | WithdrawUnfrozen():
                return books.unstaked(account, self.returned_sun, burned_sun)
            case Delegate() | Undelegate():
                return books.network_fee(account, burned_sun)


class FailInstruction(_InstructionCommand, frozen=True, kw_only=True):
    """A solid receipt shows that it was mined and failed. Whoever gave it decides what comes next."""

    failure_code: str
    txid: str
    block_number: int
    burned_sun: int

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if known.state == "failed":
            return ()
        if known.state in FINAL or known.attempts.last is None or known.attempts.last.txid != self.txid:
            return self._wrong(known, f"failed with {self.failure_code}")
        failed = InstructionFailed(
            occurred_at=now,
            actor=self.actor,
            instruction=self.instruction,
            failure_code=self.failure_code,
            txid=self.txid,
            block_number=self.block_number,
            burned_sun=self.burned_sun,
            postings=books.network_fee(books.WALLET_ACCOUNTS[self.instruction.wallet], self.burned_sun),
        )
        return self._new(failed)
