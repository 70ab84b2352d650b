"""What is to leave our wallets and is not over, folded in memory from the event store: payouts and instructions alike.

Everything known of an order is in the history, so the history is the list: no table repeats it, and a queue that is
lost, forged or purged takes nothing from it and adds nothing to it (I11, I14). Memory holds open orders only. What
makes the start short is a low-water bookmark: the position before the first event of the oldest one that is open.
Below it nothing can matter again, so a lost bookmark costs time and nothing else (I9).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from core.ledger.events import Recorded
from core.ledger.ledger import Command, EventStore
from core.ports.bookmarks import Bookmarks
from core.streams.attempts import Attempt, Attempts, PayoutOrder, ProofOfDeath
from core.streams.instructions import (
    BroadcastInstruction,
    ExpireInstruction,
    Instruction,
    InstructionGiven,
    InstructionPrepared,
    InstructionState,
    PrepareInstruction,
    SignInstruction,
)
from core.streams.payouts import FINAL as PAYOUT_FINAL
from core.streams.payouts import (
    BroadcastPayout,
    ExpirePayout,
    Payout,
    PayoutPrepared,
    PayoutRequested,
    PreparePayout,
    SignPayout,
)
from core.tron.address import Address
from core.tron.chain import Receipt
from signers.outgoing.settlement import settle_instruction, settle_payout
from signers.transactions.build import Intent
from signers.transactions.intents import intent_of_instruction, intent_of_payout

PAGE_EVENTS: Final = 5_000
SAVE_EVERY: Final = 1_000
"""How far the low-water mark moves between two writes of it."""


class OpenOrder(Protocol):
    """One transaction that is to be made, as the history has it, and what this process remembers of its last attempt.

    Forgetting what is remembered is harmless.
    """

    key: str
    """Its id, a UUID."""
    name: str
    """What a person calls it: "payout 0190…"."""
    position: int
    look_at: int
    """The solid height at which to look for a receipt again."""
    send_at_ms: int
    """The chain time at which to broadcast again."""
    told: frozenset[str]
    """The alarms that were raised because it waits."""

    @property
    def attempts(self) -> Attempts: ...

    @property
    def over(self) -> bool: ...

    def evolve(self, recorded: Recorded) -> None: ...

    def intent(self, payer: Address, token: Address) -> Intent:
        """What it means on chain: what the signer checks its bytes against (I8). `payer` makes what names no wallet."""

    # The commands that bring it further

    def prepare(self, attempt: Attempt) -> Command: ...

    def sign(self, txid: str, signature: str) -> Command: ...

    def broadcast(self, txid: str) -> Command: ...

    def expire(self, txid: str, proof: ProofOfDeath) -> Command: ...

    def settle(self, attempt: Attempt, receipt: Receipt, token: Address) -> Command:
        """What a solid receipt of the attempt leads to. Raises UnexplainedTransfer."""


class _Remembered:
    """What a process remembers of an order's last attempt."""

    def __init__(self, position: int, actor: str) -> None:
        self.position = position
        self.look_at = 0
        self.send_at_ms = 0
        self.told: frozenset[str] = frozenset()
        self._actor = actor

    def _forget(self) -> None:
        self.look_at, self.send_at_ms, self.told = 0, 0, frozenset()


class OpenPayout(_Remembered):
    """A payout as an order."""

    def __init__(self, position: int, order: PayoutOrder, actor: str) -> None:
        super().__init__(position, actor)
        self.order = order
        self.state = Payout()
        self.key = order.payout_id
        self.name = f"payout {order.payout_id}"

    def evolve(self, recorded: Recorded) -> None:
        self.state = self.state.evolve(recorded.event)
        if isinstance(recorded.event, PayoutPrepared):
            self._forget()

    @property
    def attempts(self) -> Attempts:
        return self.state.attempts

    @property
    def over(self) -> bool:
        return self.state.state in PAYOUT_FINAL

    def intent(self, payer: Address, token: Address) -> Intent:
        return intent_of_payout(self.order, payer, token)

    def prepare(self, attempt: Attempt) -> Command:
        return PreparePayout(order=self.order, actor=self._actor, attempt=attempt)

    def sign(self, txid: str, signature: str) -> Command:
        return SignPayout(order=self.order, actor=self._actor, txid=txid, signature=signature)

    def broadcast(self, txid: str) -> Command:
        return BroadcastPayout(order=self.order, actor=self._actor, txid=txid)

    def expire(self, txid: str, proof: ProofOfDeath) -> Command:
        return ExpirePayout(order=self.order, actor=self._actor, txid=txid, proof=proof)

    def settle(self, attempt: Attempt, receipt: Receipt, token: Address) -> Command:
        return settle_payout(self.order, attempt, receipt, token, self._actor)


class OpenInstruction(_Remembered):
    """An instruction as an order."""

    def __init__(self, position: int, instruction: Instruction, actor: str) -> None:
        super().__init__(position, actor)
        self.instruction = instruction
        self.state = InstructionState()
        self.key = instruction.instruction_id
        self.name = f"{instruction.purpose} {instruction.instruction_id}"

    def evolve(self, recorded: Recorded) -> None:
        self.state = self.state.evolve(recorded.event)
        if isinstance(recorded.event, InstructionPrepared):
            self._forget()

    @property
    def attempts(self) -> Attempts:
        return self.state.attempts

    @property
    def over(self) -> bool:
        return self.state.over

    def intent(self, payer: Address, token: Address) -> Intent:  # noqa: ARG002  it names its wallet itself
        return intent_of_instruction(self.instruction, token)

    def prepare(self, attempt: Attempt) -> Command:
        return PrepareInstruction(self.instruction, self._actor, attempt=attempt)

    def sign(self, txid: str, signature: str) -> Command:
        return SignInstruction(self.instruction, self._actor, txid=txid, signature=signature)

    def broadcast(self, txid: str) -> Command:
        return BroadcastInstruction(self.instruction, self._actor, txid=txid)

    def expire(self, txid: str, proof: ProofOfDeath) -> Command:
        return ExpireInstruction(self.instruction, self._actor, txid=txid, proof=proof)

    def settle(self, attempt: Attempt, receipt: Receipt, token: Address) -> Command:
        return settle_instruction(self.instruction, attempt, receipt, token, self._actor)


Opens = Callable[[Recorded], "OpenOrder | None"]
"""The order that an event begins, if it is one that this worker sees through."""


def payouts(actor: str) -> Opens:
    """Every payout."""

    def opens(recorded: Recorded) -> OpenOrder | None:
        happened = recorded.event
        return OpenPayout(recorded.position, happened.order, actor) if isinstance(happened, PayoutRequested) else None

    return opens


def instructions(actor: str, wallets: Sequence[str]) -> Opens:
    """Every instruction to one of these wallets."""

    def opens(recorded: Recorded) -> OpenOrder | None:
        happened = recorded.event
        if isinstance(happened, InstructionGiven) and happened.instruction.wallet in wallets:
            return OpenInstruction(recorded.position, happened.instruction, actor)
        return None

    return opens


class OpenOrders:
    """Iterates over the open orders in the order in which they were begun. `bookmark` is the low-water mark's name."""

    def __init__(self, store: EventStore, bookmarks: Bookmarks, bookmark: str, opens: Sequence[Opens]) -> None:
        self._store = store
        self._bookmarks = bookmarks
        self._bookmark = bookmark
        self._opens = opens
        self.behind = True
        """There may be more of the history than was folded: nothing is to be promised from this list yet."""
        self._read_to: int | None = None
        self._saved = 0
        self._open: dict[str, OpenOrder] = {}

    def read_on(self) -> int:
        """Fold the next page of the history; -> how many events it had."""
        if self._read_to is None:
            self._saved = self._read_to = self._bookmarks.load(self._bookmark)
        page = self._store.read(self._read_to, PAGE_EVENTS)
        for recorded in page:
            self._fold(recorded)
        if page:
            self._read_to = page[-1].position
            self._save(self._read_to)
        self.behind = len(page) == PAGE_EVENTS
        return len(page)

    def __iter__(self) -> Iterator[OpenOrder]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def _fold(self, recorded: Recorded) -> None:
        known = self._open.get(recorded.stream)
        if known is None:
            known = next(filter(None, (opens(recorded) for opens in self._opens)), None)
            if known is None:
                return  # none of ours, or the end of one whose beginning lies below the bookmark
            self._open[recorded.stream] = known
        known.evolve(recorded)
        if known.over:
            del self._open[recorded.stream]

    def _save(self, read_to: int) -> None:
        oldest = next(iter(self._open.values()), None)
        mark = read_to if oldest is None else oldest.position - 1
        if mark >= self._saved + SAVE_EVERY:
            self._bookmarks.save(self._bookmark, mark)
            self._saved = mark
