"""What is to leave our wallets and is not over: payouts and instructions alike, folded in memory from the event store."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from core.ledger.events import Recorded
from core.ledger.history import Beside, SetAside, Settling
from core.ledger.ledger import Command, EventStore
from core.ports.bookmarks import Bookmarks
from core.streams.attempts import (
    STEPS,
    Attempt,
    Attempts,
    BroadcastAttempt,
    ExpireAttempt,
    PrepareAttempt,
    ProofOfDeath,
    SignAttempt,
)
from core.streams.instructions import Instruction, InstructionGiven
from core.streams.payouts import PayoutOrder, PayoutRequested, WaitingFor
from core.tron.address import Address
from core.tron.chain import Receipt
from signers.open_streams import OpenStreams
from signers.outgoing.settlement import settle_instruction, settle_payout
from signers.transactions.build import Intent
from signers.transactions.intents import intent_of_instruction, intent_of_payout

Wish = PayoutOrder | Instruction
"""What was recorded of an order: a client's payout, or the treasury's instruction."""


SIGNING_STOPPED: Final[WaitingFor] = "signing_stopped"
CATCHING_UP: Final[WaitingFor] = "catching_up"


class _Kind(NamedTuple):
    """What payouts and instructions do differently."""

    key: Callable[[Any], str]
    purpose: Callable[[Any], str]
    intent: Callable[[Any, Address, Address], Intent]
    settle: Callable[[Any, Attempt, Receipt, Address, str], Command]


_KINDS: Final[dict[type, _Kind]] = {
    PayoutOrder: _Kind(lambda wish: wish.payout_id, lambda _: "payout", intent_of_payout, settle_payout),
    Instruction: _Kind(
        lambda wish: wish.instruction_id,
        lambda wish: wish.purpose,
        lambda wish, _, token: intent_of_instruction(wish, token),  # it names its wallet itself
        settle_instruction,
    ),
}


class OpenOrder:
    """One transaction that is to be made, as the history has it, and what this process remembers of its last attempt.

    Forgetting what is remembered is harmless.
    """

    def __init__(self, position: int, wish: Wish, actor: str) -> None:
        self.position = position
        self.wish = wish
        self.state = STEPS[type(wish)].nothing
        self.look_at = 0
        """The solid height at which to look for a receipt again."""
        self.send_at_ms = 0
        """The chain time at which to broadcast again."""
        self.rung: dict[str, str] = {}
        """The alarms that were raised because it waits, with their sentences."""
        self.set_aside: frozenset[int] = frozenset()
        """The positions in its stream that cannot be read and are not settled."""
        self.hindered: tuple[WaitingFor, int] | None = None
        """What keeps it from being made, and since when (chain time, ms)."""
        self._actor = actor
        self._kind = _KINDS[type(wish)]
        self.key = self._kind.key(wish)
        """Its id, a UUID."""
        self.name = f"{self._kind.purpose(wish)} {self.key}"
        """What a person calls it: "payout 0190…"."""

    def evolve(self, recorded: Recorded) -> None:
        self.state = self.state.evolve(recorded.event)
        steps = STEPS[type(self.wish)]
        if isinstance(recorded.event, steps.prepared):
            self.look_at, self.send_at_ms, self.rung = 0, 0, {}
            if self.hindered and self.hindered[0] != SIGNING_STOPPED:
                self.hindered = None
        elif isinstance(recorded.event, steps.signed):
            self.hindered = None  # bytes that nobody signs are no way out

    @property
    def attempts(self) -> Attempts:
        return self.state.attempts  # type: ignore[no-any-return]

    @property
    def over(self) -> bool:
        return not self.state.under_way

    def intent(self, payer: Address, token: Address) -> Intent:
        """What it means on chain: what the signer checks its bytes against (I8). `payer` makes what names no wallet."""
        return self._kind.intent(self.wish, payer, token)

    # The commands that bring it further

    def prepare(self, attempt: Attempt) -> Command:
        return PrepareAttempt(self.wish, self._actor, attempt=attempt)

    def sign(self, txid: str, signature: str) -> Command:
        return SignAttempt(self.wish, self._actor, txid=txid, signature=signature)

    def broadcast(self, txid: str) -> Command:
        return BroadcastAttempt(self.wish, self._actor, txid=txid)

    def expire(self, txid: str, proof: ProofOfDeath) -> Command:
        return ExpireAttempt(self.wish, self._actor, txid=txid, proof=proof)

    def settle(self, attempt: Attempt, receipt: Receipt, token: Address) -> Command:
        """What a solid receipt of the attempt leads to. Raises UnexplainedTransfer."""
        return self._kind.settle(self.wish, attempt, receipt, token, self._actor)


Opens = Callable[[Recorded], OpenOrder | None]
"""The order that an event begins, if it is one that this worker sees through."""


def payouts(actor: str) -> Opens:
    """Every payout."""

    def opens(recorded: Recorded) -> OpenOrder | None:
        happened = recorded.event
        return OpenOrder(recorded.position, happened.order, actor) if isinstance(happened, PayoutRequested) else None

    return opens


def instructions(actor: str, wallets: Sequence[str]) -> Opens:
    """Every instruction to one of these wallets."""

    def opens(recorded: Recorded) -> OpenOrder | None:
        happened = recorded.event
        if isinstance(happened, InstructionGiven) and happened.instruction.wallet in wallets:
            return OpenOrder(recorded.position, happened.instruction, actor)
        return None

    return opens


class OpenOrders(OpenStreams):
    """Iterates over the open orders in the order in which they were begun."""

    def __init__(self, store: EventStore, bookmarks: Bookmarks, bookmark: str, opens: Sequence[Opens]) -> None:
        super().__init__(store, bookmarks, bookmark)
        self._opens = opens
        self._open: dict[str, OpenOrder] = {}
        self._stopped_orders: dict[str, OpenOrder] = {}
        """Those in whose stream something was set aside, until it is settled."""

    def __iter__(self) -> Iterator[OpenOrder]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def _fold(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, Beside):
            self._stop_or_go_on(recorded.stream, recorded)
            return
        known = self._open.get(recorded.stream) or self._stopped_orders.get(recorded.stream)
        if known is None:
            known = next(filter(None, (opens(recorded) for opens in self._opens)), None)
            if known is None:
                return  # none of ours, or the end of one whose beginning lies below the bookmark
            self._open[recorded.stream] = known
        known.evolve(recorded)
        if known.over:
            self._open.pop(recorded.stream, None)
            self._stopped_orders.pop(recorded.stream, None)

    def _stop_or_go_on(self, stream: str, recorded: Recorded) -> None:
        """An order is no order while its stream is stopped (core/ledger/history.py): nothing of it may be decided."""
        if isinstance(recorded.event, SetAside):
            known = self._open.pop(stream, None) or self._stopped_orders.get(stream)
            if known is not None:
                known.set_aside |= {recorded.position}
                self._stopped_orders[stream] = known
        elif isinstance(recorded.event, Settling) and stream in self._stopped_orders:
            known = self._stopped_orders[stream]
            known.set_aside -= {recorded.event.position}
            if not known.set_aside:
                self._open[stream] = self._stopped_orders.pop(stream)

    def _oldest(self) -> int | None:
        stopped = (order.position for order in self._stopped_orders.values())
        return min((*stopped, *islice((order.position for order in self), 1)), default=None)
