"""Step: follow the chain at two heights and report transfers. Detected at the head, confirmed where blocks are solid.

The solid cursor is contiguous and linked by parent hash, moves only after the queue has taken a block's facts (I9), and
never goes back. The head may be replaced at any time: what was announced and left the chain is reported as orphaned.
What is sent is kept until the recorder has recorded it, and sent again if the queue has lost it (I11).
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from core.ports.alarm import Alarm
from core.ports.chain import Node, NoSecondOpinion, SecondOpinion, UnusableAnswer
from core.ports.queues import Message, Outstanding, Queue
from core.ports.scanning import Cursor, Cursors, SolidLog
from core.ports.wallets import AddressPool
from core.rotation import Rotating
from core.streams.deposits import TransferFact
from core.tron.chain import Block, BlockRef, Receipt
from scanners import facts
from scanners.beginning import beginning
from scanners.blocks import NodeFault, Transfer, Unlinked, check_link, check_receipts, transfers
from scanners.branch import Branch, Seen
from scanners.checked_blocks import CheckedBlocks
from scanners.claims import Claims
from scanners.departures import departures
from scanners.internal import shown_by_two
from scanners.notices import addresses_in, notices, sent_by_us, tokens_addresses, unreadable
from scanners.producers import Producers
from scanners.proven import direct_transfer
from scanners.refusals import BlockRefusals
from scanners.waiting import ONE_NODE, WaitingBlocks

SOLID: Final = "solid"
HEAD: Final = "head"
BLOCKS_PER_STEP_MAX: Final = 20
UNSOLID_BLOCKS_MAX: Final = 1_200
"""An hour: further above what is solid, or what waits for a second opinion, nothing is announced."""
PATIENCE_BLOCKS: Final = 40
"""Two minutes of solid blocks: what is not recorded by then is sent again, and each further time after twice as long."""
PATIENCE_DOUBLINGS_MAX: Final = 6
SENT_AGAIN_MAX: Final = 1_000
HELD_MAX: Final = 64
"""Blocks read ahead of what is counted that are kept in memory; what lies beyond is fetched a second time."""

_ENCODE: Final = msgspec.json.Encoder().encode
_BRANCHES: Final = msgspec.json.Decoder(Branch)
_NOWHERE: Final = Cursor(0, "")


class ChainMismatch(Exception):
    """The node's solid chain does not contain the solid blocks that were booked: a person must look, nothing rewinds."""


class Observer:
    """Follows `node` from `start` on (None: from the block that is solid at the first step of all)."""

    def __init__(
        self,
        node: Node,
        queue: Queue,
        cursors: Cursors,
        pool: AddressPool,
        log: SolidLog,
        outstanding: Outstanding,
        *,
        usdt: bytes,
        key: bytes | Rotating,
        alarm: Alarm,
        start: int | None = None,
        announce_min_minor: int = 0,
        producers: Producers | None = None,
        opinion: SecondOpinion | None = None,
        accepted: Callable[[int], str] = lambda number: "",  # noqa: ARG005
        lone: bool = False,
    ) -> None:
        """`usdt` is the token contract's 20 bytes, `key` proves facts; smaller deposits are not announced at the head.

        `producers` knows who may sign a block, and counts what is solid (I21); `opinion` is asked before anything final is
        said (I14). `accepted` is the id of the block that an operator lets pass at a height though its transactions do not
        prove themselves. `lone`: nobody vouches for the node, so what its receipts alone show waits.
        """
        self._node = node
        self._queue = queue
        self._cursors = cursors
        self._pool = pool
        self._log = log
        self._outstanding = outstanding
        self._usdt = usdt
        self._key = key
        self._start = start
        self._announce_min_minor = announce_min_minor
        self._producers = producers
        self._opinion = opinion
        self._lone = lone
        self._alarm = alarm
        self._refusals = BlockRefusals(cursors, alarm)
        self._blocks = CheckedBlocks(
            node, pool, self._refusals, usdt=usdt, producers=producers, opinion=opinion, accepted=accepted
        )
        self._waiting = WaitingBlocks(cursors, self._refusals, alarm, usdt)
        self._held: dict[int, Block] = {}
        """Solid blocks that were read ahead of what is counted."""
        self._waits = False
        """Whether a solid block waits for a second opinion."""
        self._claims = Claims()
        self._branch: Branch | None = None
        self._looked_at = 0
        """The solid height at which it was last asked what is overdue."""

    def step(self) -> bool:
        """Up to BLOCKS_PER_STEP_MAX blocks. Raises Unavailable for a silent or inconsistent node, ChainMismatch."""
        solid = self._node.solid()
        start = self._cursors.load(SOLID) or self._first(solid)
        # A step that fails leaves no memory behind: what the queue took is unknown, so the next one sends all again.
        remembered = Branch() if self._branch is not None else self._remembered()
        branch, self._branch = self._branch or remembered, None
        tip, waited, self._waits = branch.tip(start), self._waits, False
        branch, fault = self._read_ahead(start, solid, branch) if not waited else (branch, None)
        cursor, branch = self._follow_solid(start, solid, branch)
        if fault is not None:
            raise fault
        waits = waited or self._waits
        catching_up = not waits and self._is_behind(start, cursor, solid, branch)
        grown = branch if catching_up else self._follow_head(cursor, solid, head := self._node.head(), branch)
        if not catching_up and not self._waits:  # what its newest blocks have made solid
            cursor, grown = self._follow_solid(cursor, solid, grown)
        if not catching_up and grown.dropped and grown.tip(cursor).number >= head.number:
            self._send("orphaned", grown.orphans())
            grown = grown.reported()
            self._keep(grown)
        # The last process may have died before the queue took what it had announced. That is not sent sooner, since what
        # a fork took away meanwhile would be announced behind the report that it is gone.
        self._send("detected", [fact for fact in grown.announced() if fact in remembered.announced()])
        again = 0 if catching_up else self._send_again(grown, cursor.number)
        self._branch = grown
        if not catching_up:
            self._read_waiting()
            if self._producers is not None:
                shown = max(cursor.number, self._producers.solid(grown.blocks))
                self._claims.check(grown.tip(cursor).number, solid.number, shown, self._producers.seats)
        return cursor.number > start.number or grown.tip(cursor) != tip or again == SENT_AGAIN_MAX

    def rescan(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Report solid blocks again, whatever the cursor says -> (height, facts) of each. Always safe (I6)."""
        solid, read = self._node.solid(), self._cursors.load(SOLID)
        before: Cursor | None = None
        window: deque[Block] = deque()
        for number in range(max(first, 1), solid.number + 1):
            block = self._blocks.solid(number)
            if before is not None:
                check_link(before, block)
            before = Cursor(number, block.ref.block_id)
            window.append(block)
            shown = number if read is not None and _is(read, block) else self._counted(_seen(window), solid)
            while window and window[0].ref.number <= min(shown, last):
                counted = window.popleft()
                yield counted.ref.number, len(self._report_solid(counted))
            if number >= last and not (window and window[0].ref.number <= last):
                return

    def _first(self, solid: BlockRef) -> Cursor:
        """Where the history of this installation begins: the parent of the first block that is looked at."""
        ref = beginning(self._node, self._blocks, self._producers, solid, self._start)
        cursor = Cursor(ref.number, ref.block_id)
        self._cursors.save(SOLID, cursor)
        return cursor

    def _follow_solid(self, cursor: Cursor, solid: BlockRef, branch: Branch) -> tuple[Cursor, Branch]:
        """Confirm what became solid: the cursor moves when the queue has it, and the branch forgets it."""
        if solid.number == cursor.number and solid.block_id != cursor.block_id:
            raise self._mismatch(
                cursor, f"block {cursor.number} was booked as {cursor.block_id}, the node has {solid.block_id}"
            )
        last = min(solid.number, self._counted(branch.blocks, solid), cursor.number + BLOCKS_PER_STEP_MAX)
        for number in range(cursor.number + 1, last + 1):
            try:
                block = self._solid_block(number, cursor.block_id)
                self._check_link(cursor, block)
                if self._producers is not None and block.ref.block_id != branch.id_at(number):
                    self._held.clear()
                    return cursor, branch.cut(number)  # not the block that was counted: its own have to be
                found = self._report_solid(block)
            except NoSecondOpinion:
                return cursor, self._wait(branch)
            except (NodeFault, UnusableAnswer) as fault:
                self._held.pop(number, None)
                self._refusals.count(number, fault)
                raise
            cursor = Cursor(number, block.ref.block_id)
            self._cursors.save(SOLID, cursor)
            self._refusals.passed()
            self._held.pop(number, None)
            before, branch = branch, branch.settle(cursor, {fact.stream for fact in found})
            if branch.announced() != before.announced():
                self._keep(branch)
        return cursor, branch

    def _wait(self, branch: Branch) -> Branch:
        """A second node will come. Meanwhile the head is followed, and what was read ahead with the rest announced."""
        self._waits = True
        read, self._held = self._held, {}
        return branch.cut(min(read)) if read else branch

    def _read_ahead(
        self, cursor: Cursor, solid: BlockRef, branch: Branch
    ) -> tuple[Branch, NodeFault | UnusableAnswer | None]:
        """The branch with what it lacks below the node's solid height, and the fault that stands in the way.

        Each block is read once, and confirmed when enough producers have built on it.
        """
        self._held = {number: block for number, block in self._held.items() if number > cursor.number}
        counted = cursor.number
        for _ in range(BLOCKS_PER_STEP_MAX if self._producers is not None else 0):
            tip = branch.tip(cursor)
            if tip.number >= solid.number or counted >= cursor.number + BLOCKS_PER_STEP_MAX:
                break
            number = tip.number + 1
            try:
                block = self._solid_block(number, tip.block_id)
                if not branch.blocks:
                    self._check_link(cursor, block)
                elif tip.number in self._held:
                    check_link(tip, block)
            except NoSecondOpinion:
                return self._wait(branch), None
            except (NodeFault, UnusableAnswer) as fault:
                self._held.clear()
                self._refusals.count(number, fault)
                return branch, fault
            if block.ref.parent_id != tip.block_id:  # the head was on another branch when it was followed
                branch = branch.cut(tip.number)
                continue
            if len(self._held) < HELD_MAX:
                self._held[number] = block
            branch = branch.grow(_seen([block])[0])
            counted = self._counted(branch.blocks, solid)
        return branch, None

    def _solid_block(self, number: int, parent_id: str) -> Block:
        """What was read ahead, unless it was of another branch: a node may call solid what is forked away."""
        held = self._held.get(number)
        if held is not None and held.ref.parent_id == parent_id:
            return held
        self._held.pop(number, None)
        return self._blocks.solid(number)

    def _counted(self, linked: Sequence[Seen], solid: BlockRef) -> int:
        """The height that the blocks themselves show to be solid."""
        return solid.number if self._producers is None else self._producers.solid(linked)

    def _is_behind(self, start: Cursor, cursor: Cursor, solid: BlockRef, branch: Branch) -> bool:
        """Whether solid blocks are yet to be caught up with: the head is not looked at until then."""
        if self._producers is None:
            return start.number < cursor.number < solid.number
        return branch.tip(cursor).number < solid.number

    def _read_waiting(self) -> None:
        """Where more than one node can be asked by now, or it is trusted: what waited for that is read again."""
        if not self._lone and (block := self._waiting.next(self._blocks)):
            try:
                self._report_solid(block)
            except NoSecondOpinion:
                return
            self._waiting.forget(block.ref.number)

    def _check_link(self, cursor: Cursor, block: Block) -> None:
        try:
            check_link(cursor, block)
        except Unlinked as error:
            sentence = f"the solid chain does not continue from what was booked: {error}"
            raise self._mismatch(cursor, sentence) from error

    def _follow_head(self, solid: Cursor, claimed: BlockRef, head: BlockRef, branch: Branch) -> Branch:
        """Announce what is new above the solid height; what a fork took away is reported when the new branch is known."""
        if branch.differs(head):
            branch = branch.cut(head.number)
        fetched = 0
        while (
            fetched < BLOCKS_PER_STEP_MAX
            and (len(branch.blocks) < UNSOLID_BLOCKS_MAX or not self._waits)
            and (tip := branch.tip(solid)).number < head.number
        ):
            block = self._blocks.head(tip.number + 1)
            fetched += 1
            if block.ref.parent_id == tip.block_id:
                branch = self._announce(branch, block)
            elif branch.blocks:
                branch = branch.cut(tip.number)
            else:
                if claimed.number > solid.number:
                    self._check_link(solid, self._blocks.solid(solid.number + 1))
                raise Unlinked(f"the node's head is not on top of the solid block {solid.number} ({solid.block_id})")
        return branch

    def _announce(self, branch: Branch, block: Block) -> Branch:
        """Report what is worth waiting for, once the cursor remembers that it was."""
        worthy: tuple[TransferFact, ...] = ()
        if len(branch.blocks) < UNSOLID_BLOCKS_MAX:
            found = self._facts(*self._blocks.receipts(block, solid=False))
            worthy = tuple(fact for fact in found if self._is_announced(fact))
        branch = branch.grow(Seen(block.ref.number, block.ref.block_id, worthy, block.witness))
        if worthy:
            self._keep(branch)
            self._send("detected", worthy)
        return branch

    def _is_announced(self, fact: TransferFact) -> bool:
        """Clients wait for USDT; all else is booked when it is solid."""
        return fact.wallet == "payin" and fact.currency == "USDT" and fact.amount_minor >= self._announce_min_minor

    def _remembered(self) -> Branch:
        """What the last process knew of the head."""
        cursor = self._cursors.load(HEAD)
        branch = _BRANCHES.decode(cursor.unsolid) if cursor is not None and cursor.unsolid else Branch()
        return branch if all(seen.witness for seen in branch.blocks) else branch.cut(0)

    def _keep(self, branch: Branch) -> None:
        tip = branch.tip(_NOWHERE)
        self._cursors.save(HEAD, Cursor(tip.number, tip.block_id, _ENCODE(branch)))

    def _report_solid(self, block: Block) -> list[TransferFact]:
        """All that a solid block has for us: transfers, notices, and the log's entry; -> the transfers.

        A block proves its transactions and not their receipts: one node alone could add a transfer, change one, or hide
        it. So a second one must have the same, all of them.
        """
        block, receipts = self._blocks.receipts(block, solid=True)
        check_receipts(block, receipts)
        found = transfers(block, receipts, self._usdt)
        if receipts and self._opinion is not None:
            self._opinion.agree_on_receipts(block.ref.number, receipts)
        ordered = [it for each in block.transactions if (it := direct_transfer(each, self._usdt))] if self._lone else []
        asked = addresses_in(block) | tokens_addresses(receipts, self._usdt)
        asked |= {end for transfer in (*found, *ordered) for end in (transfer.receiver, transfer.sender)}
        wallets = self._pool.ours(list(asked)) if asked else {}
        found = shown_by_two(block.ref, receipts, found, wallets, self._opinion, self._alarm)
        sent = sent_by_us(block, wallets)
        arrived = _to_us(found, block.ref, wallets)
        waiting = self._waiting.unproven(block, receipts, arrived, wallets) if self._lone else []
        noticed = notices(block, receipts, found, sent, wallets, self._usdt)
        self._send("confirmed", [fact for fact in arrived if fact not in waiting])
        self._send("detected", [msgspec.structs.replace(fact, waits_for=ONE_NODE) for fact in waiting])
        if told := list(departures(noticed, block, receipts, found, sent, wallets, self._usdt)):
            self._keep_and_send([facts.message(it, self._key) for it in told], block.ref.number)
        for sentence in unreadable(block, wallets):
            self._alarm("transaction_unreadable", sentence)
        self._log.append(block.ref, {transaction.txid: transaction.contract_ret for transaction in sent})
        return arrived

    def _mismatch(self, booked: Cursor, sentence: str) -> Exception:
        """What it means that the solid chain differs: this node's fault where two nodes still have what was booked."""
        shown = None if self._opinion is None else self._opinion.agree_on_solid(booked.number)
        return Unlinked(sentence) if shown == booked.block_id else ChainMismatch(sentence)

    def _facts(self, block: Block, receipts: Sequence[Receipt]) -> list[TransferFact]:
        """The transfers to our addresses: one question to the pool per block, however many addresses there are."""
        found = transfers(block, receipts, self._usdt)
        ends = {transfer.receiver for transfer in found} | {transfer.sender for transfer in found}
        return _to_us(found, block.ref, self._pool.ours(list(ends)) if found else {})

    def _send(self, kind: facts.Kind, found: Sequence[TransferFact]) -> None:
        if found:
            # What is said of the head waits longer: its confirmation, lost at the same time, is to come before it.
            patience = 0 if kind == "confirmed" else PATIENCE_BLOCKS
            height = max(fact.block_number for fact in found) + patience
            self._keep_and_send([facts.message(facts.Report(kind, fact), self._key) for fact in found], height)

    def _keep_and_send(self, messages: Sequence[Message], height: int) -> None:
        """Kept before it is sent, until the recorder has it; `height` is from where its time to be recorded counts."""
        self._outstanding.keep(messages, height + PATIENCE_BLOCKS)
        self._queue.send(messages)

    def _send_again(self, branch: Branch, solid: int) -> int:
        """What the recorder should have recorded by now is sent once more -> how much was overdue."""
        if solid == self._looked_at:
            return 0
        overdue = self._outstanding.overdue(solid, SENT_AGAIN_MAX)
        waiting = {fact.stream for fact in branch.announced()}
        then = {each.message.key: (self._today(each.message, waiting, solid), each.times) for each in overdue}
        again = [(message, times) for message, times in then.values() if message is not None]
        self._outstanding.keep([message for message, _ in again], solid + PATIENCE_BLOCKS)
        # Under another key: the queue may still remember that it took the first one.
        self._queue.send([msgspec.structs.replace(it, key=f"{it.key}#{times}") for it, times in again])
        for times in {times for _, times in again}:
            due_at = solid + PATIENCE_BLOCKS * 2 ** min(times, PATIENCE_DOUBLINGS_MAX)
            self._outstanding.told_again([it.key for it, these in again if these == times], due_at)
        self._outstanding.settle([key for key, (it, _) in then.items() if it is None or it.key != key])
        if len(overdue) < SENT_AGAIN_MAX:
            self._looked_at = solid
        return len(overdue)

    def _today(self, message: Message, waiting: Collection[str], solid: int) -> Message | None:
        """What is to be said today of what was sent then; None where it is over, or was seen again at the head (`waiting`).

        What was sent of the head is over at this height: either the transfer stands in a solid block, which was sent and
        kept by itself, or it is orphaned, of whichever block the recorder heard last.
        """
        fact = facts.open(message.body, self._key)
        if not isinstance(fact, facts.Report) or fact.kind == "confirmed" or fact.transfer.waits_for:
            return message
        if fact.stream in waiting:
            return None
        return facts.message(facts.Report("orphaned", fact.transfer, solid), self._key)


def _to_us(found: Sequence[Transfer], ref: BlockRef, wallets: Mapping[bytes, str]) -> list[TransferFact]:
    """The transfers whose receiver is ours. `wallets` knows all of ours among their ends."""
    return [it.fact(ref, wallets[it.receiver], wallets.get(it.sender, "")) for it in found if it.receiver in wallets]


def _seen(blocks: Collection[Block]) -> list[Seen]:
    """Blocks of which nothing was announced."""
    return [Seen(block.ref.number, block.ref.block_id, (), block.witness) for block in blocks]


def _is(cursor: Cursor, block: Block) -> bool:
    return (cursor.number, cursor.block_id) == (block.ref.number, block.ref.block_id)
