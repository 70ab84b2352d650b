"""Step: bring every open payout one transition further, with at most one successful transfer each (I7).

    requested   -> prepared     the payee can be paid, the hot wallet can pay: the bytes are recorded before any key sees them
    prepared    -> signed       checked against the recorded order (I8); signature and intent to broadcast are one append
    broadcasted -> (sent)       the recorded bytes, again and again until they are seen or dead; answers decide nothing
    attempted   -> confirmed    a solid SUCCESS receipt with the matching Transfer logs
                 | failed       any other solid receipt; the reserve goes back
                 | expired      proven dead by our own log of solid blocks: back to prepared, with other bytes

While signing is stopped (core/signing.py) nothing is prepared, signed or sent for the first time; what was broadcast is
sent again and settled as ever.

Every action starts from what is durable and ends in one append; nothing that this process remembers is needed again. So
a crash between any two lines is a restart, and two workers at once get in each other's way but not in the books': the
decisions in core/payouts.py refuse the second. A message on payout-requests names a payout and is believed nothing: it
makes an idle worker look at the history, which it would have looked at anyway.
"""

import logging
from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from core.attempts import Attempt, PayoutWork
from core.chain import BlockRef
from core.ledger import Accepted, Command, EventStore, Failed, Ledger, Refused
from core.payouts import BroadcastPayout, ExpirePayout, FailPayout, PreparePayout, SignPayout
from core.ports import (
    AddressPool,
    Alarm,
    Bookmarks,
    Disagreement,
    Node,
    NoSecondOpinion,
    Queue,
    SecondOpinion,
    SolidLog,
)
from core.signing import SIGNING, Signing
from core.tron import Address
from signers.hot_wallet import HotWallet, Rules, Shortage, check_owner, envelope_of, intent_of
from signers.keys import Key
from signers.open_payouts import OpenPayout, OpenPayouts
from signers.settlement import proof_of_death, settle, solid_receipt
from signers.signer import Limits, sign
from signers.transactions import LIFETIME_MS_MAX, assemble

log = logging.getLogger(__name__)

ACTOR: Final = "system:payouts"
BATCH: Final = 50
"""Payouts per step and kind of work: one append for all of them, and a step stays short."""
REBROADCAST_MS: Final = 30_000
"""Chain time between two broadcasts. Nodes forget what waits after 60 s, and a fork may drop what they included."""
RETRY_MS: Final = 6_000
"""The same after an answer other than "accepted"."""
UNSOLID_BLOCKS_MAX: Final = 54
"""How far the head may be ahead of the solid block before java-tron takes no transactions (TRON.md 2.6)."""
NODE_LAG_MS_MAX: Final = 60_000
"""How far a node's head may lie behind the one an attempt was prepared on, before the signer calls it too long-lived."""
PROOF_MS_MAX: Final = 600_000
"""Chain time from an expiration until a proof of death that is still missing rings."""
KEPT_ANYWAY_BLOCKS: Final = 10_000
"""What the log keeps without being asked, and more: an attempt's usual life is a hundred blocks."""


class Payouts:
    """Pays from one hot wallet. `key` is that wallet's; it signs what signers/signer.py has checked, nothing else.

    `log` is our own log of solid blocks, `opinion` a second node's word on each end before it is recorded (I14).
    """

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        bookmarks: Bookmarks,
        queue: Queue,
        node: Node,
        log: SolidLog,
        pool: AddressPool,
        key: Key,
        token: Address,
        rules: Rules = Rules(),  # noqa: B008 (frozen)
        *,
        alarm: Alarm,
        opinion: SecondOpinion | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._queue = queue
        self._node = node
        self._log = log
        self._pool = pool
        self._alarm = alarm
        self._opinion = opinion
        self._key = key
        self._token = token
        self._rules = rules
        self._open = OpenPayouts(store, bookmarks)
        self._short_at = -1
        """The solid height at which the wallet was last too short for the payout whose turn it is."""
        self._told = ""
        """What was last logged about it: a wallet may be short for hours."""
        self._kept_from: int | None = -1
        """What the log of solid blocks was last told of our needs."""

    def step(self) -> bool:
        """One transition of up to BATCH payouts of each kind; False when there is nothing to do but wait.

        Raises SignatureRefused, WalletHijacked, UnexplainedTransfer, BrokenLog: no retry mends them, a person has to look.
        """
        heard = self._hear()
        read = self._open.read_on()
        self._queue.delete(heard)
        if self._open.behind:
            return True  # what is in flight must be known before anything is promised
        if not self._open:
            return bool(heard or read)
        solid, head = self._node.solid(), self._node.head()
        self._keep_log(solid)
        due = list(
            islice((payout for payout in self._open if payout.attempt and payout.look_at <= solid.number), BATCH)
        )
        self._execute(self._settle(due, solid))
        readied = self._execute([] if self._stopped() else [*self._prepare(head, solid), *self._sign(head)])
        sent = self._send(head)
        return bool(heard or read or due or readied or sent)

    def _hear(self) -> list[str]:
        """Take the messages; what is none of ours is buried."""
        receipts = []
        for message in self._queue.receive(BATCH):
            try:
                msgspec.json.decode(message.body, type=PayoutWork)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._queue.bury(message.receipt, f"no payout work: {error}")
                continue
            receipts.append(message.receipt)
        return receipts

    def _settle(self, due: Sequence[OpenPayout], solid: BlockRef) -> list[Command]:
        """Look for solid receipts and for proofs of death. `solid` was read before any look.

        A payout whose end is disputed waits for the next solid block, alone: the others are settled, and paid.
        """
        ends = []
        for payout in due:
            try:
                end = self._end_of(payout, solid)
            except Disagreement as dispute:
                self._ring(payout, "payout_disputed", str(dispute))
            except NoSecondOpinion:
                pass  # who asks the nodes has said so; it is no dispute
            else:
                if end is not None:
                    ends.append(end)
                continue
            payout.look_at = solid.number + 1
        return ends

    def _end_of(self, payout: OpenPayout, solid: BlockRef) -> Command | None:
        attempt = payout.attempt
        assert attempt is not None
        receipt = solid_receipt(self._node, self._log, attempt.txid)
        if receipt is not None:
            if self._opinion is not None:
                self._opinion.agree_on_receipts(receipt.block_number, [receipt])
            return settle(payout.order, attempt, receipt, self._token, ACTOR)
        proof = proof_of_death(self._log, attempt)
        if proof is not None:
            if self._opinion is not None:
                self._opinion.agree_on_absence(attempt.txid, solid)
            return ExpirePayout(order=payout.order, actor=ACTOR, txid=attempt.txid, proof=proof)
        self._tell_what_lacks(payout, attempt, solid)
        # Only a hint when to look again: a block at the head may still be replaced, and its receipt with it.
        seen = self._node.receipt(attempt.txid)
        soonest, latest = solid.number + 1, solid.number + UNSOLID_BLOCKS_MAX
        payout.look_at = min(max(soonest, seen.block_number if seen else 0), latest)
        return None

    def _tell_what_lacks(self, payout: OpenPayout, attempt: Attempt, solid: BlockRef) -> None:
        """Ring when an attempt can be neither settled nor buried although its time is over. It waits, unpaid again."""
        mined = self._log.find(attempt.txid)
        if mined is not None:
            if solid.number >= mined[0] + UNSOLID_BLOCKS_MAX:
                reason = f"block {mined[0]} holds its {attempt.txid}, whose receipt the node denies"
                self._ring(payout, "receipt_hidden", reason)
        elif solid.timestamp_ms >= attempt.expiration_ms + PROOF_MS_MAX:
            first, last = attempt.ref_block_number + 1, solid.number
            reason = f"the log of solid blocks has gaps from {first} to {last}: scan them again"
            self._ring(payout, "proof_lacks", reason)

    def _ring(self, payout: OpenPayout, name: str, reason: str) -> None:
        """Once for each attempt and alarm: what holds a payout up may do so for hours."""
        if name not in payout.told:
            payout.told |= {name}
            self._alarm(name, f"payout {payout.order.payout_id} waits: {reason}")

    def _stopped(self) -> bool:
        """Whether anything holds signing back now; a look that comes too early is mended by the decisions' own."""
        signing = Signing()
        for recorded in self._store.histories([SIGNING]).get(SIGNING, ()):
            signing = signing.evolve(recorded.event)
        self._say(f"signing is stopped: {', '.join(signing.causes)}" if signing.causes else "")
        return bool(signing.causes)

    def _keep_log(self, solid: BlockRef) -> None:
        """Tell the log from where on the oldest live attempt needs it, if that is far back."""
        oldest = min((it.attempt.ref_block_number for it in self._open if it.attempt), default=solid.number)
        needed = oldest if oldest < solid.number - KEPT_ANYWAY_BLOCKS else None
        if needed != self._kept_from:
            self._log.keep_from(needed)
            self._kept_from = needed

    def _prepare(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        """Record the bytes of the next attempts, in the order of the requests: the first that must wait ends the turn."""
        waiting = list(islice((payout for payout in self._open if payout.unprepared), BATCH))
        if not waiting or self._short_at == solid.number:
            return []
        in_flight = [(payout.order, payout.attempt) for payout in self._open if payout.attempt]
        wallet = HotWallet.look(self._node, self._pool, self._key.address, self._token, self._rules, in_flight)
        commands: list[Command] = []
        for payout in waiting:
            made = len(payout.state.attempts)
            code = "not_mined" if made >= self._rules.attempts_max else wallet.unpayable(payout.order)
            if code is not None:
                commands.append(FailPayout(order=payout.order, actor=ACTOR, failure_code=code, txid=None, burned_sun=0))
                continue
            try:
                attempt = wallet.attempt(payout.order, made + 1, head, solid)
            except Shortage as shortage:
                self._wait(payout, shortage, solid)
                break
            commands.append(PreparePayout(order=payout.order, actor=ACTOR, attempt=attempt))
        return commands

    def _wait(self, payout: OpenPayout, shortage: Shortage, solid: BlockRef) -> None:
        """Look again at the next solid block; say so once."""
        self._short_at = solid.number
        self._say(f"payout {payout.order.payout_id} waits, and all behind it: {shortage}")

    def _say(self, sentence: str) -> None:
        """Log what holds payouts up when it changes."""
        if sentence and sentence != self._told:
            log.warning("%s", sentence)
        self._told = sentence or self._told

    def _sign(self, head: BlockRef) -> list[Command]:
        """Sign what is prepared and still alive; what is not will be proven dead and prepared anew."""
        owner = self._key.address
        unsigned = [
            (payout, attempt)
            for payout in self._open
            if payout.state.state == "pending_sign"
            and (attempt := payout.attempt) is not None
            and attempt.from_address == owner.base58
            and attempt.expiration_ms > head.timestamp_ms
        ][:BATCH]
        if not unsigned:
            return []
        check_owner(self._node, owner)
        limits = Limits(
            token=self._token,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms_max=min(self._rules.lifetime_ms + NODE_LAG_MS_MAX, LIFETIME_MS_MAX),
            fee_limit_sun_max=self._rules.fee_limit_sun_max,
        )
        commands: list[Command] = []
        for payout, attempt in unsigned:
            if payout.state.signature is None:
                intent, raw_data = intent_of(payout.order, owner, self._token), bytes.fromhex(attempt.raw_data)
                signed = sign(intent, envelope_of(attempt), limits, raw_data, self._key)
                signature = signed.signature.hex()
                commands.append(SignPayout(order=payout.order, actor=ACTOR, txid=signed.txid, signature=signature))
            commands.append(BroadcastPayout(order=payout.order, actor=ACTOR, txid=attempt.txid))
        return commands

    def _send(self, head: BlockRef) -> int:
        """Broadcast what is recorded as broadcast and due; -> how many. The same bytes any number of times (FAILURES 20)."""
        due = (
            (payout, attempt, payout.state.signature)
            for payout in self._open
            if payout.state.state == "broadcasted"
            and (attempt := payout.attempt) is not None
            and payout.send_at_ms <= head.timestamp_ms < attempt.expiration_ms
        )
        sent = 0
        for payout, attempt, signature in islice(due, BATCH):
            assert signature is not None
            answer = self._node.broadcast(assemble(bytes.fromhex(attempt.raw_data), bytes.fromhex(signature)))
            again_ms = REBROADCAST_MS if answer.verdict == "accepted" else RETRY_MS
            payout.send_at_ms = head.timestamp_ms + again_ms
            sent += 1
            log.info(
                "payout %s: broadcast %s, %s %s", payout.order.payout_id, attempt.txid, answer.verdict, answer.code
            )
        return sent

    def _execute(self, commands: Sequence[Command]) -> int:
        """Append; -> how many commands changed something. Raises what a defective command raised, after its neighbours."""
        outcomes = self._ledger.execute(commands)
        for outcome in outcomes:
            match outcome:
                case Accepted(events=events):
                    for recorded in events:
                        log.info("%s: %s at %d", recorded.stream, type(recorded.event).__name__, recorded.position)
                case Refused(rejection=rejection):
                    log.info("another was faster: %s", rejection.detail)
                case Failed(error=error):
                    raise error
        return sum(isinstance(outcome, Accepted) for outcome in outcomes)
