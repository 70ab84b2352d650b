"""Step: what the observer sent becomes events. Many queue receives, one append; deleted only after the commit (I9).

A repeated report changes nothing (the stream's name is its idempotency key), so at-least-once is enough.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from core.ledger.ledger import Accepted, Command, EventStore, Failed, Ledger, Outcome, Refused, Repeated
from core.ledger.money import format_amount
from core.ledger.refusals import ConflictingFacts, StreamStopped, WrongState
from core.ports.alarm import Alarm
from core.ports.queues import Outstanding, Queue, Received
from core.ports.scanning import AttemptIndex
from core.ports.unavailable import Unavailable
from core.rotation import Rotating
from core.streams.addresses import DepositAddress, address_stream
from core.streams.deposits import ConfirmDeposit, DetectDeposit, OrphanDeposit, owner_of
from core.streams.lost_outgoing import OutgoingOfLostHistory
from core.streams.notices import Departure, Notice, Noticed, RecordNotice
from core.streams.signing import SigningStopped
from scanners import facts

ACTOR: Final = "system:recorder"
FACTS_PER_STEP_MAX: Final = 1_000
DEFECTS_MAX: Final = 5
"""A report that fails by a defect so often goes to the dead letters."""


class Recorder:
    """Takes facts from `queue` and appends through `ledger`, and settles in `outstanding` what is recorded.

    `store` knows whose an address is, `attempts` what we signed.
    """

    def __init__(
        self,
        queue: Queue,
        ledger: Ledger,
        store: EventStore,
        attempts: AttemptIndex,
        outstanding: Outstanding,
        *,
        key: bytes | Rotating,
        alarm: Alarm,
    ) -> None:
        self._queue = queue
        self._ledger = ledger
        self._store = store
        self._attempts = attempts
        self._outstanding = outstanding
        self._key = key
        self._alarm = alarm
        self._defects: Counter[bytes] = Counter()
        """How often a report met a defect here, by its body. What the queue counts is no measure: a report comes again
        also when the store is shut, and a deposit must not be buried for that. A restart forgives: it may bring the cure."""

    def step(self) -> bool:
        """Up to FACTS_PER_STEP_MAX reports in one append. Raises Unavailable: then all of them come again."""
        received = self._receive()
        if not received:
            return False
        believed = self._believe(received)
        try:
            over = self._over(believed)
            told = [each for each in believed if each[0].receipt not in over]
            with self._queue.hold([message.receipt for message, _ in told]):
                outcomes = self._ledger.execute(self._commands([report for _, report in told]))
            done, again = self._settle_all(told, outcomes)
        except Unavailable:  # they would stay in flight, and all that stands behind them in their groups with them
            self._queue.release([message.receipt for message, _ in believed])
            raise
        self._queue.delete([*over, *done])
        self._queue.release(again)
        return True

    def _settle_all(
        self, believed: Sequence[tuple[Received, facts.Fact]], outcomes: Sequence[Outcome]
    ) -> tuple[list[str], list[str]]:
        """-> the receipts of what is done with, and of what is to come again. Others are buried, or left in flight."""
        done: list[str] = []
        again: list[str] = []
        settled: list[str] = []
        for (message, report), outcome in zip(believed, outcomes, strict=True):
            match self._settle(message, report, outcome):
                case "done":
                    done.append(message.receipt)
                    settled.append(facts.name(report))
                    del self._defects[message.body]
                case "again":
                    again.append(message.receipt)
                case "buried":
                    settled.append(facts.name(report))
        self._outstanding.settle(settled)
        return done, again

    def _receive(self) -> list[Received]:
        received: list[Received] = []
        while len(received) < FACTS_PER_STEP_MAX:
            more = self._queue.receive(FACTS_PER_STEP_MAX - len(received))
            if not more:
                break
            received += more
        return received

    def _believe(self, received: Sequence[Received]) -> list[tuple[Received, facts.Fact]]:
        """Messages with a valid proof, in order; the others are buried (I14)."""
        believed = []
        for message in received:
            try:
                believed.append((message, facts.open(message.body, self._key)))
            except facts.Forged as error:
                self._bury(message, "deposit_fact_forged", f"a message on the deposit queue is forged: {error}")
        return believed

    def _over(self, believed: Sequence[tuple[Received, facts.Fact]]) -> set[str]:
        """-> the receipts of what was seen at the head and is outstanding no more: recorded, over, or never told from here.

        A queue may outlive the database whose observer filled it. What that one saw at the head, a fork may have taken away
        since, and nobody would say so: the observer that goes on looks at the head itself.
        """
        seen = [(message.receipt, facts.name(report)) for message, report in believed if _is_of_the_head(report)]
        known = self._outstanding.known([name for _, name in seen]) if seen else ()
        return {receipt for receipt, name in seen if name not in known}

    def _commands(self, sent: Sequence[facts.Fact]) -> list[Command]:
        reports = [fact for fact in sent if isinstance(fact, facts.Report)]
        confirmed = {report.transfer.to_address for report in reports if report.kind == "confirmed"}
        owners = self._owners(sorted(confirmed)) if confirmed else {}
        sent_by = self._attempts.streams_of(sorted(txids)) if (txids := {*map(_sent_txid, sent)} - {""}) else {}
        return [_command(fact, owners, sent_by) for fact in sent]

    def _owners(self, addresses: Sequence[str]) -> dict[str, DepositAddress]:
        histories = self._store.histories([address_stream(address) for address in addresses])
        owners = {}
        for address in addresses:
            state = DepositAddress()
            for recorded in histories.get(address_stream(address), ()):
                state = state.evolve(recorded.event)
            owners[address] = state
        return owners

    def _settle(
        self, message: Received, fact: facts.Fact, outcome: Outcome
    ) -> Literal["done", "again", "buried", "left"]:
        """What becomes of the message. One left in flight comes again at its visibility timeout."""
        stream = fact.stream
        match outcome:
            case Accepted() | Repeated() if not isinstance(fact, facts.Report):
                self._ring(message, fact, outcome)
                return "done"
            case Refused(refusal=ConflictingFacts() as refusal):
                self._bury(message, "deposit_facts_conflict", refusal.detail)
            case Refused(refusal=WrongState()):
                return "again"
            case Refused(refusal=StreamStopped() as refusal):  # no deposit is buried for what an operator will settle
                self._alarm("deposit_waits", f"{stream} waits: {refusal.detail}")
                return "left"
            case Refused(refusal=refusal):
                self._bury(message, "deposit_refused", f"{stream} was refused: {refusal.detail}")
            case Failed(error=Unavailable()):
                return "again"
            case Failed(error=error):
                return self._failed(message, stream, error)
            case _:
                return "done"
        return "buried"

    def _failed(self, message: Received, stream: str, error: Exception) -> Literal["buried", "left"]:
        self._defects[message.body] += 1
        if self._defects[message.body] < DEFECTS_MAX:
            self._alarm("deposit_retried", f"{stream} could not be recorded and is tried again: {error!r}")
            return "left"
        self._bury(message, "deposit_failed", f"{stream} failed {DEFECTS_MAX} times: {error!r}")
        return "buried"

    def _ring(self, message: Received, notice: Notice | Departure, outcome: Accepted | Repeated) -> None:
        """What is new is sent on; what is known, again if the process may have died before it was: twice rather than never."""
        if isinstance(outcome, Repeated) and message.attempts <= 1:
            return
        stopped = any(isinstance(recorded.event, SigningStopped) for recorded in outcome.events)
        noticed = [it.event for it in outcome.events if isinstance(it.event, Noticed)]
        for seen in noticed:
            name = "outgoing_unexplained" if notice.kind == "outgoing" else notice.kind
            self._alarm(name, f"{seen.sentence}{' Signing has stopped.' if stopped else ''}")
        for event in (it.event for it in outcome.events if not noticed):
            if isinstance(event, OutgoingOfLostHistory) and event.left.was_payout:
                left = event.left
                amount = format_amount(left.amount_minor, left.currency)
                self._alarm(
                    "lost_outgoing",
                    f"{left.txid} in block {left.block_number} paid {amount} {left.currency} to {left.to} in history that"
                    " was lost: attribute it, `counterfoil restore settle`",
                )

    def _bury(self, message: Received, name: str, reason: str) -> None:
        self._alarm(name, reason)
        del self._defects[message.body]
        self._queue.bury(message.receipt, reason)


def _is_of_the_head(fact: facts.Fact) -> bool:
    return isinstance(fact, facts.Report) and fact.kind == "detected" and not fact.transfer.waits_for


def _sent_txid(fact: facts.Fact) -> str:
    """The txid of what left an address of ours, if this is about that."""
    if not isinstance(fact, facts.Report):
        return fact.txid if fact.kind == "outgoing" else ""
    return fact.transfer.txid if fact.kind == "confirmed" and fact.transfer.from_wallet else ""


def _command(report: facts.Fact, owners: dict[str, DepositAddress], sent_by: Mapping[str, str]) -> Command:
    if isinstance(report, Departure):
        return RecordNotice(report.notice, sent_by.get(report.txid), ACTOR, report.left)
    if isinstance(report, Notice):
        return RecordNotice(report, sent_by.get(report.txid), ACTOR)
    fact = report.transfer
    match report.kind:
        case "detected":
            return DetectDeposit(fact, ACTOR)
        case "orphaned":
            return OrphanDeposit(fact, ACTOR, solid=report.solid)
        case "confirmed":
            account_id, ledger_account = owner_of(owners[fact.to_address].assigned, fact)
            return ConfirmDeposit(
                fact, ACTOR, account_id=account_id, ledger_account=ledger_account, sent_by=sent_by.get(fact.txid)
            )
