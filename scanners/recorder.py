"""Step: what the observer reported becomes events. Many queue receives, one append; deleted only after the commit (I9).

A repeated report changes nothing (the stream's name is its idempotency key), so at-least-once is enough.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from core.addresses import DepositAddress, address_stream
from core.deposits import ConfirmDeposit, DetectDeposit, OrphanDeposit, owner_of
from core.ledger import Command, EventStore, Failed, Ledger, Outcome, Refused
from core.ports import Queue, Received, Unavailable
from core.rejections import ConflictingFacts, WrongState
from scanners import facts

ACTOR: Final = "system:recorder"
FACTS_PER_STEP_MAX: Final = 1_000
ATTEMPTS_MAX: Final = 5
"""A report that fails by a defect so often goes to the dead letters."""

Alarm = Callable[[str, str], None]
"""(name, sentence): something that a person must look at; counted by name."""


class Recorder:
    """Takes reports from `queue` and appends through `ledger`; `store` tells whose an address is."""

    def __init__(self, queue: Queue, ledger: Ledger, store: EventStore, *, key: bytes, alarm: Alarm) -> None:
        self._queue = queue
        self._ledger = ledger
        self._store = store
        self._key = key
        self._alarm = alarm

    def step(self) -> bool:
        """Up to FACTS_PER_STEP_MAX reports in one append. Raises Unavailable: then all of them come again."""
        received = self._receive()
        if not received:
            return False
        believed = self._believe(received)
        try:
            outcomes = self._ledger.execute(self._commands([report for _, report in believed]))
        except Unavailable:
            self._queue.release([message.receipt for message, _ in believed])
            raise
        done, again = [], []
        for (message, report), outcome in zip(believed, outcomes, strict=True):
            match self._settle(message, report, outcome):
                case "done":
                    done.append(message.receipt)
                case "again":
                    again.append(message.receipt)
        self._queue.delete(done)
        self._queue.release(again)
        return True

    def _receive(self) -> list[Received]:
        received: list[Received] = []
        while len(received) < FACTS_PER_STEP_MAX:
            more = self._queue.receive(FACTS_PER_STEP_MAX - len(received))
            if not more:
                break
            received += more
        return received

    def _believe(self, received: Sequence[Received]) -> list[tuple[Received, facts.Report]]:
        """Messages with a valid proof, in order; the others are buried (I14)."""
        believed = []
        for message in received:
            try:
                believed.append((message, facts.open(message.body, self._key)))
            except facts.Forged as error:
                self._bury(message, "deposit_fact_forged", f"a message on the deposit queue is forged: {error}")
        return believed

    def _commands(self, reports: Sequence[facts.Report]) -> list[Command]:
        confirmed = {report.transfer.to_address for report in reports if report.kind == "confirmed"}
        owners = self._owners(sorted(confirmed)) if confirmed else {}
        return [_command(report, owners) for report in reports]

    def _owners(self, addresses: Sequence[str]) -> dict[str, DepositAddress]:
        histories = self._store.histories([address_stream(address) for address in addresses])
        owners = {}
        for address in addresses:
            state = DepositAddress()
            for recorded in histories.get(address_stream(address), ()):
                state = state.evolve(recorded.event)
            owners[address] = state
        return owners

    def _settle(self, message: Received, report: facts.Report, outcome: Outcome) -> Literal["done", "again", "left"]:
        """What becomes of the message. One left in flight comes again at its visibility timeout."""
        stream = report.transfer.stream
        match outcome:
            case Refused(rejection=ConflictingFacts() as rejection):
                self._bury(message, "deposit_facts_conflict", rejection.detail)
            case Refused(rejection=WrongState()):
                return "again"
            case Refused(rejection=rejection):
                self._bury(message, "deposit_refused", f"{stream} was refused: {rejection.detail}")
            case Failed(error=error) if message.attempts >= ATTEMPTS_MAX:
                self._bury(message, "deposit_failed", f"{stream} failed {message.attempts} times: {error!r}")
            case Failed(error=error):
                self._alarm("deposit_retried", f"{stream} could not be recorded and is tried again: {error!r}")
            case _:
                return "done"
        return "left"

    def _bury(self, message: Received, name: str, reason: str) -> None:
        self._alarm(name, reason)
        self._queue.bury(message.receipt, reason)


def _command(report: facts.Report, owners: dict[str, DepositAddress]) -> Command:
    fact = report.transfer
    match report.kind:
        case "detected":
            return DetectDeposit(fact, ACTOR)
        case "orphaned":
            return OrphanDeposit(fact, ACTOR)
        case "confirmed":
            account_id, ledger_account = owner_of(owners[fact.to_address].assigned, fact)
            return ConfirmDeposit(fact, ACTOR, account_id=account_id, ledger_account=ledger_account)
