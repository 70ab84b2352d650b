"""The system with one defect each, as others have had them (FAILURES.md). What the simulation does not catch, it does not test.

The tail reader without the append lock lives at the event store: tests/gateways/postgres/test_event_store.py; the fee limit
that is what the trial took at the payouts: test_a_payee_that_empties_its_wallet_costs_no_failure.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from unittest.mock import patch

import msgspec

from core.ledger import books
from core.ledger.events import New
from core.ledger.ledger import Command, Past
from core.ledger.refusals import Refusal
from core.ports.chain import Node
from core.ports.queues import Message, Outstanding, Queue
from core.ports.scanning import Cursor, Cursors, SolidLog
from core.ports.wallets import AddressPool
from core.streams.attempts import Attempt, BroadcastAttempt, PrepareAttempt, ProofOfDeath, SignAttempt
from core.streams.deposits import TransferFact
from core.streams.instructions import SendToken
from core.streams.payout.ends import FailPayout
from core.streams.payouts import FINAL, PayoutFailed, PayoutOrder
from core.streams.sweeps import ReleaseSweep, SendSweep
from core.tron.address import TRANSFER_TOPIC, Address
from core.tron.chain import Block, BlockRef, BroadcastAnswer, Log, Receipt
from core.tron.transactions import txid_of
from gateways.tron.nodes import Nodes
from scanners import blocks
from scanners.blocks import NotWhole, Transfer
from scanners.branch import Branch
from scanners.checked_blocks import CheckedBlocks
from scanners.observer import Observer
from signers.outcomes import append
from signers.outgoing.instructions import ACTOR as SWEEPER
from signers.outgoing.instructions import Instructions
from signers.outgoing.needs import Need
from signers.outgoing.open_payouts import OpenPayouts
from signers.outgoing.payouts import ACTOR, Payouts
from signers.sweeps.open_sweeps import OpenSweep
from signers.sweeps.sweeps import Sweeps
from signers.transactions.build import Trc20Transfer, assemble
from signers.transactions.intents import envelope_of, intent_of_payout
from signers.transactions.signer import Limits, sign
from tests.simulation.mutants.mutant import Mutant
from tests.simulation.mutants.signing import SIGNING_MUTANTS

PATIENCE_MS: Final = 80_000
"""Before the expiration, at the solid height: half of an attempt's life has passed at the head."""


class EarlyCursor(Observer):
    """FAILURES 5: the cursor passes facts that no queue has taken."""

    def __init__(
        self,
        node: Node,
        queue: Queue,
        cursors: Cursors,
        pool: AddressPool,
        log: SolidLog,
        outstanding: Outstanding,
        **settings: Any,
    ) -> None:
        late = _Late(queue, outstanding)
        ports = node, late, _EarlyCursors(cursors, late), pool, log, late
        super().__init__(*ports, **settings)


class _Late:
    """Queue and outstanding reports: keeps facts back until the cursor has moved."""

    def __init__(self, queue: Queue, outstanding: Outstanding) -> None:
        self._queue = queue
        self._outstanding = outstanding
        self._kept: list[tuple[Sequence[Message], int]] = []
        self._waiting: list[Message] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outstanding, name)

    def keep(self, messages: Sequence[Message], due_at: int) -> None:
        self._kept.append((messages, due_at))

    def send(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def let_go(self) -> None:
        kept, self._kept = self._kept, []
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._queue.send(waiting)
        for messages, due_at in kept:
            self._outstanding.keep(messages, due_at)


class _EarlyCursors:
    """Moves a cursor, and only then lets the facts go where they are safe."""

    def __init__(self, cursors: Cursors, late: _Late) -> None:
        self._cursors = cursors
        self._late = late

    def load(self, name: str) -> Cursor | None:
        return self._cursors.load(name)

    def save(self, name: str, cursor: Cursor) -> None:
        self._cursors.save(name, cursor)
        self._late.let_go()


class TellOnce(Observer):
    """I11: what the queue has taken is taken for recorded."""

    def _keep_and_send(self, messages: Sequence[Message], height: int) -> None:
        self._queue.send(messages)


class CreditDetected(Observer):
    """FAILURES 7: what stands at the head is taken for final."""

    def _send(self, kind: Any, found: Sequence[TransferFact]) -> None:
        super()._send("confirmed" if kind == "detected" else kind, found)


class RefundOnUnclear(Payouts):
    """FAILURES 30: what a node did not clearly accept is taken for not sent, and the client gets its coins back."""

    def _send(self, head: BlockRef) -> int:
        listening = _Listening(self._node)
        node, self._node = self._node, listening  # type: ignore[assignment]
        try:
            sent = super()._send(head)
        finally:
            self._node = node
        for payout in list(self._open):
            assert isinstance(payout.wish, PayoutOrder)
            if payout.attempts.alive and payout.attempts.alive.raw_data in listening.unclear:
                refund = _Refund(order=payout.wish, actor=ACTOR, failure_code="timeout", txid=None, burned_sun=0)
                append(self._ledger, [refund])
        return sent


class _Listening:
    """A node, and what it gave no clear answer to: signed bytes as hex, of which raw_data is a part."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.unclear = ""

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        answer = self._node.broadcast(signed)
        if answer.verdict == "unclear":
            self.unclear += signed.hex()
        return answer


class _Refund(FailPayout, frozen=True, kw_only=True):
    """FailPayout that asks for no proof."""

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        order = self.order
        if self._payout(past).state in FINAL:
            return ()
        postings = books.payout_released(order.account_id, order.ledger_account, order.total_minor, 0)
        failed = PayoutFailed(
            occurred_at=now, failure_code="timeout", txid=None, burned_sun=0, postings=postings, **self._ids
        )
        return self._new(failed)


class UnrecordedBytes(Payouts):
    """TRON.md 12.27: signed and sent before anything of it is durable."""

    def _prepare(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        commands = super()._prepare(head, solid)
        first = [
            (it, it.order) for it in commands if isinstance(it, PrepareAttempt) and isinstance(it.order, PayoutOrder)
        ]
        return [*commands, *(after for command, order in first for after in self._send_first(command.attempt, order))]

    def _send_first(self, attempt: Attempt, order: PayoutOrder) -> list[Command]:
        head = self._node.head()
        limits = Limits(
            token=self._token, chain_time_ms=head.timestamp_ms, lifetime_ms_max=10**7, fee_limit_sun_max=10**9
        )
        intent = intent_of_payout(order, self._key.address, self._token)
        signed = sign(intent, envelope_of(attempt), limits, bytes.fromhex(attempt.raw_data), self._key)
        self._node.broadcast(assemble(signed.raw_data, signed.signature))
        ids: dict[str, Any] = {"order": order, "actor": ACTOR, "txid": txid_of(signed.raw_data)}
        return [SignAttempt(signature=signed.signature.hex(), **ids), BroadcastAttempt(**ids)]


class ForgetsLoans(Sweeps):
    """FAILURES 19: the coins have come, and nobody thinks of the energy that was lent for them."""

    def _take_back(self, it: OpenSweep, solid: BlockRef) -> list[Command]:
        return [ReleaseSweep(it.order, None, SWEEPER)]

    def _reconcile(self, solid: BlockRef) -> list[Command]:
        return []


class BlindSweeps(Sweeps):
    """FAILURES 16: the transfer is ordered without a look at what its address can pay with."""

    def _fuel(self, it: OpenSweep, need: Need, amount_minor: int) -> Sequence[Command]:
        if not need.payer.exists:
            return super()._fuel(it, need, amount_minor)
        owner = Address.from_base58(it.order.address)
        transfer = self._step(it, "sweep", "payin", owner, SendToken(it.order.to, amount_minor))
        return [SendSweep(it.order, self._last_id(it), SWEEPER, transfer, needed_energy=need.energy)]


class BlindInstructions(Instructions):
    """The same where the bytes are made."""

    def _affordable(self, intent: Trc20Transfer, margin_percent: int) -> int:
        return 10_000_000


def _hasty_proof(log: SolidLog, attempt: Attempt) -> ProofOfDeath | None:
    """FAILURES 28: what is in no solid block so long after it was sent is dead."""
    if not log.blocks(attempt.ref_block_number + 1, attempt.expiration_ms - PATIENCE_MS):
        return None
    number = attempt.ref_block_number + 1
    return ProofOfDeath(number, "00" * 32, number, "00" * 32, attempt.expiration_ms, 1)


def _any_receipts(block: Block, receipts: Sequence[Receipt]) -> dict[str, Receipt]:
    """FAILURES 2: what has no receipt did nothing."""
    nothing = Receipt("", block.ref.number, 0, 0, "REVERT", True, ())
    return dict.fromkeys((it.txid for it in block.transactions), nothing) | {it.txid: it for it in receipts}


def _any_token(block: Block, receipts: Sequence[Receipt], usdt: bytes) -> list[Transfer]:
    """FAILURES 9: whatever looks like a transfer, of any contract."""
    return blocks.transfers(
        block,
        [
            msgspec.structs.replace(it, logs=tuple(msgspec.structs.replace(log, address=usdt) for log in it.logs))
            for it in receipts
        ],
        usdt,
    )


def _zero_too(txid: str, index: int, log: Log) -> Transfer | None:
    """FAILURES 10: transfers of nothing count."""
    if log.topics[0].hex() != TRANSFER_TOPIC:
        return None
    return Transfer(txid, index, log.topics[1][12:], log.topics[2][12:], int.from_bytes(log.data, "big"), "USDT")


@contextmanager
def _unchecked_receipts() -> Iterator[None]:
    """Nor held against the ends that the block proves, which would find the missing ones, too."""
    with patch("scanners.blocks.complete", _any_receipts), patch("scanners.observer.check_receipts"):
        yield


@contextmanager
def _as_it_reads() -> Iterator[None]:
    """FAILURES 40: what a reader raises is raised."""
    with (
        patch("gateways.tron.node.understood", lambda parse, body: parse(body)),
        patch("gateways.tron.node_json._decode", lambda body, kind: msgspec.json.decode(body, type=kind)),
    ):
        yield


@contextmanager
def _held_by_nothing() -> Iterator[None]:
    """FAILURES 54: who may not ask any more is paid what it asked for before."""
    with patch.object(PayoutOrder, "held", lambda *_: None), patch.object(OpenPayouts, "held", lambda *_: None):
        yield


def _refused(self: CheckedBlocks, block: Block, fault: NotWhole) -> None:
    """FAILURES 38: a block whose root cannot be rebuilt is none."""
    raise fault


MUTANTS: Final[dict[str, Mutant]] = {
    "the cursor moves before the queue has the facts": Mutant({"observer": EarlyCursor}, seed=6),
    "what the queue has taken counts as recorded": Mutant({"observer": TellOnce}, seed=36),
    "deposits are keyed by txid only": Mutant(
        patch=lambda: patch("core.streams.deposits.deposit_stream", lambda txid, log_index: f"deposit-{txid}")
    ),
    "what stands at the head is credited": Mutant({"observer": CreditDetected}),
    "receipts are not checked for completeness": Mutant(patch=_unchecked_receipts, seed=2),
    "any contract's transfers are credited": Mutant(
        patch=lambda: patch("scanners.observer.transfers", _any_token), seed=3
    ),
    "transfers of zero are credited": Mutant(patch=lambda: patch("scanners.blocks._usdt_transfer", _zero_too), seed=3),
    "what a fork took away is not reported": Mutant(patch=lambda: patch.object(Branch, "orphans", lambda _: ())),
    "an unclear answer is refunded": Mutant({"payouts": RefundOnUnclear}),
    "a payout is signed again without proof of death": Mutant(
        patch=lambda: patch("signers.outgoing.outgoing.proof_of_death", _hasty_proof), seed=8
    ),
    "energy that was lent is not taken back": Mutant({"sweeps": ForgetsLoans}, seed=3),
    "a sweep is sent without a look at its energy": Mutant({"sweeps": BlindSweeps, "instructions": BlindInstructions}),
    "TRX that contracts hand on is not read": Mutant(
        patch=lambda: patch("scanners.blocks._internal_transfers", lambda receipt: ()), seed=6
    ),
    "TRX that contracts hand on is booked on one node's word": Mutant(
        patch=lambda: patch.object(Nodes, "agree_on_internal", lambda self, number, internal: internal), seed=13
    ),
    "what a node calls solid is solid": Mutant(
        patch=lambda: patch.object(Observer, "_counted", lambda _self, _linked, solid: solid.number), seed=8
    ),
    "bytes build on what a node calls solid": Mutant(
        patch=lambda: patch("signers.outgoing.outgoing.reference_block", lambda _log, solid: solid), seed=24
    ),
    "a stranger's unknown fields make a block unreadable": Mutant(
        patch=lambda: patch.object(CheckedBlocks, "_let_pass", _refused)
    ),
    "a type has the one prefix": Mutant(
        patch=lambda: patch("scanners.blocks._TRANSFER_TYPE", b"type.googleapis.com/protocol.TransferContract")
    ),
    "one node's receipts are enough": Mutant(
        patch=lambda: patch.object(Nodes, "agree_on_receipts", lambda *_: None), seed=4
    ),
    "an answer that cannot be read ends the process": Mutant(patch=_as_it_reads, seed=3),
    "a suspended account's payouts are made": Mutant(patch=_held_by_nothing, seed=70),
    "own transfers are booked as unexplained": Mutant(
        patch=lambda: patch("core.ledger.books.own_coins_arrived", books.unexplained_inbound)
    ),
    **SIGNING_MUTANTS,
}
WALKED: Final[dict[str, Mutant]] = {"bytes are sent before they are recorded": Mutant({"payouts": UnrecordedBytes})}
"""What a death at one place alone shows, which test_crash_walk.py comes to every time and a seed by chance."""
