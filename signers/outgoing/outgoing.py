"""How anything leaves a wallet of ours, each order one transition further a step, and each at most once (I7).

    begun       -> prepared     by the subclass: whether it can be paid now, and its bytes, recorded before any key sees them
    prepared    -> signed       checked against the recorded intent (I8); signature and intent to broadcast are one append
    broadcast   -> (sent)       the recorded bytes, again and again until they are seen or dead; answers decide nothing
    attempted   -> confirmed    a solid SUCCESS receipt with what it must show
                 | failed       any other solid receipt; a payout's may be prepared anew (core/streams/payouts.py)
                 | expired      proven dead by our own log of solid blocks: it may be prepared anew, with other bytes

While signing is stopped (core/streams/signing.py) nothing is prepared, signed or sent for the first time; what was broadcast is
sent again and settled as ever. The same holds for one wallet while its key cannot sign (shut_keys.py), and for all of them
after a start until the chain is read (caught_up.py). A store that is not the newest of its name sends nothing (fence.py).

Every action starts from what is durable and ends in one append; nothing that this process remembers is needed again. So
a crash between any two lines is a restart, and two workers at once get in each other's way but not in the books': the
decisions in core refuse the second.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from core.ledger.ledger import Command, EventStore, Ledger, Overdrawn
from core.ports.alarm import Alarm, Condition
from core.ports.chain import Disagreement, Node, NoSecondOpinion, SecondOpinion
from core.ports.scanning import SolidLog
from core.ports.unavailable import Unavailable
from core.ports.wallets import AddressPool
from core.streams.attempts import Attempt
from core.streams.instructions import Instruction, Undelegate
from core.streams.payouts import WaitingFor
from core.streams.signing import SIGNING, Signing
from core.streams.treasury import COLD_WALLET, WALLET_STREAMS, Wallet
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.caught_up import CaughtUp
from signers.fence import Fence
from signers.keys.keys import Key, KeyNotHeld
from signers.outcomes import append
from signers.outgoing.directions import DIRECTIONS
from signers.outgoing.homes import Homes
from signers.outgoing.open_orders import CATCHING_UP, SIGNING_STOPPED, OpenOrder, OpenOrders
from signers.outgoing.order_alarms import OrderAlarms
from signers.outgoing.permissions import Permissions, wallet_of
from signers.outgoing.settlement import PROOF_MS_MAX, UNSOLID_BLOCKS_MAX, proof_of_death, reference_block, solid_receipt
from signers.outgoing.shut_keys import ShutKeys
from signers.transactions.build import assemble, signatures_of
from signers.transactions.intents import envelope_of, receiver_of
from signers.transactions.signer import Limits, SignatureRefused, sign

log = logging.getLogger(__name__)

BATCH: Final = 50
"""OpenOrders per step and kind of work: one append for all of them, and a step stays short."""
REBROADCAST_MS: Final = 30_000
"""Chain time between two broadcasts. Nodes forget what waits after 60 s, and a fork may drop what they included."""
RETRY_MS: Final = 6_000
"""The same after an answer other than "accepted"."""
NOT_BOOKED_BLOCKS: Final = 200
"""Until what could not be booked is tried again."""
NODE_LAG_MS_MAX: Final = 60_000
"""How far a node's head may lie behind the one an attempt was prepared on, before the signer calls it too long-lived."""
KEPT_ANYWAY_BLOCKS: Final = 10_000
"""What the log keeps without being asked, and more: an attempt's usual life is a hundred blocks."""


class Outgoing(ABC):
    """Sees orders through. `log` is our own log of solid blocks, `opinion` a second node's word on each end (I14)."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        store: EventStore,
        node: Node,
        log: SolidLog,
        pool: AddressPool,
        token: Address,
        orders: OpenOrders,
        *,
        alarm: Alarm,
        opinion: SecondOpinion | None,
        fence: Fence | None = None,
        caught_up: CaughtUp | None = None,
        homes: Homes | None = None,
        permissions: Permissions | None = None,
    ) -> None:
        self._name = name
        self._homes = homes
        self._ledger = ledger
        self._store = store
        self._node = node
        self._log = log
        self._pool = pool
        self._alarm = alarm
        self._opinion = opinion
        self._fence = fence
        self._caught_up = caught_up
        self._token = token
        self._open = orders
        self._shut = ShutKeys()
        self._unavailable = Condition(alarm, "key_unavailable")
        self._permissions = permissions or Permissions(store, node)
        self._alarms = OrderAlarms(alarm, name)
        self._refuge: str | None = None
        """The cold wallet's address while everything goes there, and nothing else goes anywhere."""
        self._height = 0
        """The solid block of this step."""
        self._said = ""
        """What was last logged about waiting: a wallet may be short for hours."""
        self._kept_from: int | None = -1
        """What the log of solid blocks last knows of our needs."""

    @abstractmethod
    def _prepare(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        """Record the bytes of the next attempts, which refer to `solid`, a block of our own log."""

    def _while_held(self, head: BlockRef, reason: WaitingFor) -> list[Command]:  # noqa: ARG002 (the subclass's)
        """What is recorded while nothing may be signed, for this reason."""
        return []

    def _stops(self) -> list[Command]:
        """What stops signing, beside what the chain shows."""
        return []

    def _granted(self, unsigned: list[tuple[OpenOrder, Attempt, Key]]) -> list[tuple[OpenOrder, Attempt, Key]]:
        """Those that may be signed now, counted; called when everything else is fit to be."""
        return unsigned

    def _attributed(self) -> list[Command]:
        """What ends orders that were said to have left in lost history."""
        return []

    @abstractmethod
    def _key_of(self, order: OpenOrder, attempt: Attempt) -> Key | None:
        """The key that signs this attempt here, or None where it is another's, or it must not be signed any more."""

    @abstractmethod
    def _limits(self, head: BlockRef) -> Limits:
        """What the signer allows now."""

    def _advance(self) -> bool:
        """One transition of up to BATCH orders of each kind; False when there is nothing to do but wait.

        Raises SignatureRefused, UnexplainedTransfer, BrokenLog: no retry mends them, a person has to look.
        """
        solid, head = self._node.solid(), self._node.head()
        self._height = solid.number
        self._keep_log(solid)
        due = list(islice((order for order in self._open if self._is_due(order, solid)), BATCH))
        settled = append(self._ledger, [*self._settle(due, solid), *self._attributed()], self._not_booked)
        held = self._held(solid)
        if held is not None:
            ready = self._while_held(head, held)
        elif self._refuge is None and (stops := self._stops()):
            ready = stops
        else:
            reference = reference_block(self._log, solid)
            # What was just settled is folded with the next step: until then its coins would count as gone and in flight.
            prepared = self._prepare(head, reference) if reference and not settled else []
            ready = [*prepared, *self._sign(head)]
        readied = append(self._ledger, ready, self._not_booked)
        sent = self._send(head)
        self._alarms.look(self._open, head.timestamp_ms)
        return bool(due or readied or sent)

    def _held(self, solid: BlockRef) -> WaitingFor | None:
        """Why nothing is to be signed now. What was read of the chain may stop signing: it is asked last.

        An evacuation waits for no chain: it sends what is there to cold storage, whatever happened meanwhile.
        """
        behind = self._caught_up is not None and not self._caught_up.look(solid)
        fenced = self._fence is None or self._fence.holds()
        if self._stopped() or not fenced:  # an older store evacuates nothing either
            return SIGNING_STOPPED
        if behind and self._refuge is None:
            assert self._caught_up is not None
            self._say(f"nothing is signed yet: it waits for {self._caught_up.waits_for}")
            return CATCHING_UP
        return None

    def _fenced(self) -> bool:
        """Whether something may be signed or sent now: the mark then covers all that this store holds (I16)."""
        return self._fence is None or self._fence.raise_mark()

    # Settling

    @staticmethod
    def _is_due(order: OpenOrder, solid: BlockRef) -> bool:
        return order.attempts.alive is not None and order.look_at <= solid.number

    def _settle(self, due: Sequence[OpenOrder], solid: BlockRef) -> list[Command]:
        """Look for solid receipts and for proofs of death. `solid` was read before any look.

        One whose end is disputed waits for the next solid block, alone: the others are settled.
        """
        ends = []
        for order in due:
            try:
                end = self._end_of(order, solid)
            except Disagreement as dispute:
                self._ring(order, "payout_disputed", str(dispute))
            except NoSecondOpinion:
                pass  # who asks the nodes has said so; it is no dispute
            else:
                if end is not None:
                    ends.append(end)
                continue
            order.look_at = solid.number + 1
        return ends

    def _end_of(self, order: OpenOrder, solid: BlockRef) -> Command | None:
        attempt = order.attempts.alive
        assert attempt is not None
        receipt = solid_receipt(self._node, self._log, attempt.txid)
        if receipt is not None:
            if self._opinion is not None:
                self._opinion.agree_on_receipts(receipt.block_number, [receipt])
            return order.settle(attempt, receipt, self._token)
        proof = proof_of_death(self._log, attempt)
        if proof is not None:
            if self._opinion is not None:
                self._opinion.agree_on_absence(attempt.txid, solid)
            return order.expire(attempt.txid, proof)
        self._ring_what_lacks(order, attempt, solid)
        # Only a hint when to look again: a block at the head may still be replaced, and its receipt with it.
        seen = self._node.receipt(attempt.txid)
        soonest, latest = solid.number + 1, solid.number + UNSOLID_BLOCKS_MAX
        order.look_at = min(max(soonest, seen.block_number if seen else 0), latest)
        return None

    def _ring_what_lacks(self, order: OpenOrder, attempt: Attempt, solid: BlockRef) -> None:
        """Ring when an attempt can be neither settled nor buried although its time is over. It waits, not made again."""
        mined = self._log.find(attempt.txid)
        if mined is not None:
            if solid.number >= mined[0] + UNSOLID_BLOCKS_MAX:
                reason = f"block {mined[0]} holds its {attempt.txid}, whose receipt the node denies"
                self._ring(order, "receipt_hidden", reason)
        elif solid.timestamp_ms >= attempt.expiration_ms + PROOF_MS_MAX:
            first, last = attempt.ref_block_number + 1, solid.number
            reason = f"the log of solid blocks has gaps from {first} to {last}: scan them again"
            self._ring(order, "proof_lacks", reason)

    def _not_booked(self, command: Command, error: Overdrawn) -> None:
        """Its account's guard lacks what its request reserves: somebody wrote the one and not the other. Nobody else waits."""
        order = next((it for it in self._open if it.wish == getattr(command, "order", None)), None)
        if order is None:
            raise error
        order.look_at = self._height + NOT_BOOKED_BLOCKS
        reason = f"{error}. Its request was appended past the API, which would have reserved it; others go on"
        self._ring(order, "payout_not_booked", f"{reason}. Stop whoever has that login: /docs/operate")

    def _ring(self, order: OpenOrder, name: str, reason: str) -> None:
        """Once for each attempt and alarm: what holds an order up may do so for hours."""
        self._alarms.ring(order, name, f"{order.name} waits: {reason}")

    def _stopped(self) -> bool:
        """Whether anything holds all signing back now; a look that comes too early is mended by the decisions' own."""
        histories = self._store.histories([SIGNING, *WALLET_STREAMS])
        self._permissions.take(histories)
        signing, cold = Signing(), Wallet()
        for recorded in histories.get(SIGNING, ()):
            signing = signing.evolve(recorded.event)
        for recorded in histories.get(COLD_WALLET, ()):
            cold = cold.evolve(recorded.event)
        self._say(f"signing is stopped: {', '.join(signing.causes)}" if signing.causes else "")
        evacuating = "evacuation" in signing.causes and cold.registered is not None
        self._refuge = cold.registered.address if evacuating and cold.registered else None
        return bool(signing.causes) and not evacuating

    def _may_go(self, order: OpenOrder) -> bool:
        """While everything goes to cold storage, only what brings it there."""
        if self._refuge is None:
            return True
        return isinstance(order.wish, Instruction) and order.wish.serves_evacuation(self._refuge)

    def _keep_log(self, solid: BlockRef) -> None:
        """Say to the log from where on the oldest live attempt needs it, if that is far back."""
        alive = (order.attempts.alive for order in self._open)
        oldest = min((attempt.ref_block_number for attempt in alive if attempt), default=solid.number)
        needed = oldest if oldest < solid.number - KEPT_ANYWAY_BLOCKS else None
        if needed != self._kept_from:
            self._log.keep_from(self._name, needed)
            self._kept_from = needed

    def _say(self, sentence: str) -> None:
        """Log what holds orders up when it changes."""
        if sentence and sentence != self._said:
            log.warning("%s", sentence)
        self._said = sentence or self._said

    # Signing and sending

    def _unprepared(self) -> Iterable[OpenOrder]:
        """What has no bytes that may be mined, in the order in which it was begun."""
        return (order for order in self._open if order.attempts.alive is None)

    def _sign(self, head: BlockRef) -> list[Command]:
        """Sign what is prepared and still alive; what is not will be proven dead and prepared anew."""
        unsigned: list[tuple[OpenOrder, Attempt, Key]] = []
        for order in self._open:
            attempt = order.attempts.alive
            if len(unsigned) < BATCH and attempt is not None and not order.attempts.sent and self._may_go(order):
                key = self._key_for(order, attempt, head)
                if key is not None and not self._goes_astray(order):
                    unsigned.append((order, attempt, key))
        if not unsigned or not self._fenced():
            return []
        unsigned = self._granted(unsigned)
        if not unsigned:
            return []
        owners = {key.address: wallet_of(order.wish) for order, _, key in unsigned}
        if stops := self._permissions.before_signing(owners, self._refuge, f"system:{self._name}", self._alarm):
            return stops
        limits = self._limits(head)
        commands: list[Command] = []
        for order, attempt, key in unsigned:
            if order.attempts.signature is None:
                intent, raw_data = order.intent(key.address, self._token), bytes.fromhex(attempt.raw_data)
                narrowed = self._narrowed(limits, order, self._permissions.permission_id(intent))
                if self._shut.rests(attempt.from_address, head.timestamp_ms):
                    continue
                try:
                    signed = sign(intent, envelope_of(attempt), narrowed, raw_data, key)
                except (Unavailable, KeyNotHeld) as error:  # the key's: nothing else is asked in there
                    self._key_failed(attempt.from_address, error, head)
                    continue
                self._shut.signed(attempt.from_address)
                self._unavailable.end(attempt.from_address)
                commands.append(order.sign(signed.txid, signed.signature.hex()))
            commands.append(order.broadcast(attempt.txid))
        return commands

    def _goes_astray(self, order: OpenOrder) -> bool:
        """Whether it would bring coins to where none of ours are: it is not signed, and given back in the end."""
        if self._homes is None or not isinstance(order.wish, Instruction):
            return False
        objection = self._homes.objection(order.wish)
        if objection is not None:
            self._ring(order, "instruction_goes_astray", f"{objection}. It is never signed: who gave it has this login")
        return objection is not None

    def _key_for(self, order: OpenOrder, attempt: Attempt, head: BlockRef) -> Key | None:
        """The key that signs this now; None also where it is too late, or too early to try the key again."""
        if attempt.expiration_ms <= head.timestamp_ms:
            return None
        if order.attempts.signature is None:
            address = attempt.from_address
            intent = order.intent(Address.from_base58(address), self._token)
            if self._shut.rests(address, head.timestamp_ms) or not self._permissions.allows(
                intent, attempt.permission_id
            ):
                return None  # bytes of a permission that is no longer declared die, and others are made
        return self._key_of(order, attempt)

    def _key_failed(self, address: str, error: Exception, head: BlockRef) -> None:
        """It rests; what others sign, and what was sent before, goes on."""
        for order in self._open:
            alive = order.attempts.alive
            waits = alive is not None and alive.from_address == address and order.attempts.signature is None
            if waits and (order.hindered is None or order.hindered[0] != SIGNING_STOPPED):
                order.hindered = (SIGNING_STOPPED, head.timestamp_ms)
        self._say(f"the key of {address} cannot sign, and is tried again: {error}")
        if self._shut.failed(address, head.timestamp_ms):
            self._unavailable.begin(
                address,
                f"the key of {address} cannot sign: {error}. What was sent is seen through, all else of this wallet waits"
                " and goes on by itself when the key signs again",
            )

    def _room(self, address: str, head: BlockRef) -> int:
        """How many orders of a wallet may be prepared now: while its key is shut one at a time, to try the key with."""
        if not self._shut.is_shut(address):
            return BATCH
        if self._shut.rests(address, head.timestamp_ms):
            return 0
        tried = (order.attempts.alive for order in self._open if not order.attempts.sent)
        waits = (it for it in tried if it is not None and it.from_address == address)
        return 0 if any(it.expiration_ms > head.timestamp_ms for it in waits) else 1

    def _narrowed(self, limits: Limits, order: OpenOrder, permission_id: int) -> Limits:
        """A payout goes to whom the client named; everything else between wallets of ours, in the directions there are."""
        instruction, limits = order.wish, msgspec.structs.replace(limits, permission_id=permission_id)
        if not isinstance(instruction, Instruction):
            return limits
        senders, receivers = DIRECTIONS[instruction.purpose]
        owner, to = Address.from_base58(instruction.owner), receiver_of(instruction)
        known = self._pool.ours([owner.evm, *([to.evm] if to else [])])
        if known.get(owner.evm) != instruction.wallet or instruction.wallet not in senders:
            raise SignatureRefused("owner", f"{owner} is no wallet of ours that makes a {instruction.purpose}")
        takes_back = instruction.purpose == "rotation" and isinstance(instruction.act, Undelegate)  # whoever has it
        allowed = frozenset([to] if to and (takes_back or known.get(to.evm) in receivers) else [])
        return msgspec.structs.replace(limits, receivers=allowed)

    def _send(self, head: BlockRef) -> int:
        """Broadcast what is recorded as broadcast and due; -> how many. The same bytes any number of times (FAILURES 20)."""
        due = [
            (order, attempt, order.attempts.signature)
            for order in self._open
            if order.attempts.sent
            and (attempt := order.attempts.alive) is not None
            and order.send_at_ms <= head.timestamp_ms < attempt.expiration_ms
        ]
        if not due or not self._fenced():
            return 0
        sent = 0
        for order, attempt, signature in due[:BATCH]:
            assert signature is not None
            answer = self._node.broadcast(assemble(bytes.fromhex(attempt.raw_data), *signatures_of(signature)))
            again_ms = REBROADCAST_MS if answer.verdict == "accepted" else RETRY_MS
            order.send_at_ms = head.timestamp_ms + again_ms
            sent += 1
            if answer.verdict != "accepted":
                self._alarms.refused(order, f"a node says {answer.verdict} {answer.code}", head.timestamp_ms)
            log.info("%s: broadcast %s, %s %s", order.name, attempt.txid, answer.verdict, answer.code)
        return sent
