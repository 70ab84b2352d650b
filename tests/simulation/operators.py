"""What happens to the installation itself and what its operators do about it: copies, restores, two at once, evacuations.

A copy is all that a database has. It is put back in one of three ways: *declared*, as `counterfoil restore` does; *silently*,
an old disk in the place of the new one; or *reverted*, the whole machine with the mark beside its keys, after it was off for
longer than any bytes live. An operator knows what really happened and says so truthfully, in settle.
"""

import random
from typing import Any, Final

from core.ledger import books
from core.ledger.events import encode
from core.ledger.journal import derived_id
from core.ledger.ledger import Refused
from core.ledger.refusals import StreamStopped
from core.ports.high_water import Mark
from core.streams.accounts import RegisterAccount
from core.streams.evacuation import BeginEvacuation
from core.streams.lost_ends import AttributeLost, WriteOffLost
from core.streams.lost_outgoing import Lost, OutgoingOfLostHistory
from core.streams.payout.approvals import ApprovePayout, payout_digest
from core.streams.payouts import FINAL, PayoutOrder, PayoutRequested, RequestPayout
from core.streams.restores import Restored, RestoreStore
from core.streams.signing import SIGNING, ResumeSigning, Settlement, Signing
from core.streams.store import STORE, Store
from core.tron.address import Address
from gateways.cli.recovery.settle import quiet_ms
from tests.signers.leash.limited import ANN
from tests.simulation.customers import COINS
from tests.simulation.durable import Database
from tests.simulation.invariants import payout_states
from tests.simulation.system import RULES, System

OPERATOR: Final = "operator:simulation"
KEPT_MAX: Final = 3
OFF_BLOCKS: Final = 60
"""A machine that is reverted was off so long: what it had sent is solid by then, or dead."""
SETTLED_BY_WORD: Final = ("payout_not_covered", "evacuation", "outgoing_unexplained")


class Operators:
    """The part of a world that happens to the installation."""

    seed: int
    system: System
    accounts: list[str]
    orders: dict[tuple[str, str], PayoutOrder]

    def __init__(self) -> None:
        self.kept: list[tuple[Database, Any]] = []
        """Copies, and the mark and totals as they were then."""
        self.unread_from: int | None = None
        """The block from which on addresses that a given-up database gave out may have been paid unseen."""

    # What happens

    def do_copy(self, _: random.Random) -> None:
        """A backup is taken, a disk is copied."""
        mark = self.system.safe.high_water.mark
        totals = dict(self.system.safe.totals.rows)
        self.kept = [*self.kept, (self.system.database.copied(), (mark, totals))][-KEPT_MAX:]

    def do_checkpoint(self, _: random.Random) -> None:
        self.system.archive.keep(self.system.store)

    def do_restore(self, draw: random.Random) -> None:
        """A copy is put back in the place of what runs."""
        if not self.kept:
            return
        database, (mark, totals) = draw.choice(self.kept)
        way = draw.choice(("declared", "declared", "silently", "silently", "reverted"))
        queues = draw.choice(("copied", "empty", "kept"))
        self._trace(f"put back {way}, queues {queues}, at {database.store.head()} of {self.system.store.head()}")
        put = database.copied()
        if queues != "copied":
            for queue in (put.facts, put.work, put.segments):
                queue.purge()
        if queues == "kept":  # they lie elsewhere, and outlive the database
            put.facts, put.work = self.system.facts, self.system.work
        self._gave_up(self.system.database, put)
        self.system.put(put)
        if way == "declared":
            self._declare()
        elif way == "reverted":
            self.system.reverted = True
            self.system.safe.high_water.mark = mark
            self.system.safe.totals.rows = dict(totals)
            self.system.mine(OFF_BLOCKS)

    def do_twins(self, draw: random.Random) -> None:
        """A copy runs beside the original, with the same keys; in the end one of them is given up."""
        system = self.system
        self.do_payout(draw)  # type: ignore[attr-defined]
        original = system.database, system.processes
        database = (
            draw.choice([kept for kept, _ in self.kept]) if self.kept and draw.random() < 0.5 else system.database
        )
        twin = database.copied()
        copied = database.copied()
        system.put(twin)
        both = [original, (twin, system.processes)]
        for _ in range(draw.randint(3, 12)):
            for each in both:  # a look takes a second, whatever else takes its time
                system.turn_to(*each)
                system.step("addresses")
            which = draw.randrange(2)
            system.turn_to(*both[which])
            self._trace(f"the {('original', 'copy')[which]}'s turn")
            if draw.random() < 0.4:
                self.do_payout(draw)  # type: ignore[attr-defined]
            if draw.random() < 0.3:
                self.do_payin(draw)  # type: ignore[attr-defined]
            self.do_work(draw)  # type: ignore[attr-defined]
            both[which] = system.database, system.processes
            system.mine(draw.choice((0, 1, 1, 2)))
        stays = draw.randrange(2)
        system.turn_to(*both[stays])
        self._gave_up(both[1 - stays][0], copied)

    def do_evacuate(self, _: random.Random) -> None:
        self.system.act(BeginEvacuation("a key may be known", OPERATOR))

    def do_forge(self, draw: random.Random) -> None:
        """Whoever has the API's login alone asks for what an account does not have (I17)."""
        account_id = draw.choice(self.accounts)
        order = PayoutOrder(
            payout_id=str(derived_id("payout", account_id, f"forged {self.system.store.head()}")),
            account_id=account_id,
            ledger_account=books.USER_LIABILITY,
            to_address=Address.from_evm(bytes([66]) * 20).base58,
            amount_minor=10**12 + draw.randint(0, COINS),
            fee_minor=0,
            currency="USDT",
            client_reference=None,
        )
        postings = books.payout_requested(account_id, order.ledger_account, order.total_minor)
        forged = PayoutRequested(occurred_at=self.system.now(), actor=OPERATOR, order=order, postings=postings)
        self.system.store.put(order.stream, *encode(forged))
        self.system.forged.add(order.stream)

    def do_approve(self, _: random.Random) -> None:
        """Who may let go what is above the signer's limits does so, of everything that waits."""
        if self.system.limits.payout_max is None:
            return
        for order in self._waiting():
            digest = payout_digest(order)
            said: Any = {"approver": "ann", "digest": digest.hex(), "signature": ANN.sign(digest).hex()}
            self.system.act(ApprovePayout(order=order, actor=OPERATOR, **said))

    def do_resume(self, _: random.Random) -> None:
        """An operator looks: an older store is declared, what was lost settled, and signing resumed."""
        causes = self._state(SIGNING, Signing()).causes
        if "store_is_older" in causes or self._is_doubted():
            self._declare()
        if "restored" in self._state(SIGNING, Signing()).causes:
            self._settle_lost()
        else:
            settled = tuple(it for it in causes if it in SETTLED_BY_WORD)
            if settled and self._settle_lost():
                self.system.act(ResumeSigning(settled, "looked", OPERATOR))

    def settle_copies(self) -> None:
        """What a copy brought about is found out and declared; the blocks that it read without knowing all addresses again."""
        system = self.system
        doubted = self._is_doubted() or not system.safe.high_water.mark or self.unread_from is not None
        if doubted:
            self._declare()
        self.work()  # type: ignore[attr-defined]
        cursor = system.cursors.load("solid")
        if self.unread_from is not None and cursor is not None:
            system.scan_again(self.unread_from, cursor.number)
            self.unread_from = None

    @property
    def is_settled(self) -> bool:
        """Whether no operator has anything left to say."""
        return not (self._is_doubted() or self._state(SIGNING, Signing()).causes)

    # What operators know and say

    def _gave_up(self, database: Database, copied: Database) -> None:
        """It runs no more; what goes on knows of the chain what the copy knew, or read on without its addresses."""
        self.system.lost.append(database)
        cursor = copied.cursors.load("solid")
        numbers = [it for it in (self.unread_from, cursor.number if cursor else 1) if it is not None]
        self.unread_from = min(numbers)

    def _waiting(self) -> list[PayoutOrder]:
        """Payouts that are open, of this history and asked for by a client."""
        states = payout_states(self.system.store)
        return [it.order for it in states.values() if it.order and it.state not in FINAL and it.state != "refused"]

    def _state(self, stream: str, initial: Any) -> Any:
        for recorded in self.system.store.histories([stream]).get(stream, ()):
            initial = initial.evolve(recorded.event)
        return initial

    def _is_doubted(self) -> bool:
        return self._state(STORE, Store()).older is not None

    def _declare(self) -> None:
        """As `counterfoil restore` or `restore declare`: nothing runs meanwhile."""
        system = self.system
        system.pool.give_up()
        cursor = system.cursors.load("solid")
        heads = [position for lost in system.lost for position in [lost.store.head()]]
        declared = RestoreStore(
            from_position=system.store.head(),
            seen_position=max((it for it in heads if it > system.store.head()), default=None),
            solid_block=cursor.number if cursor else 0,
            head_ms=system.devnet.chain.head.timestamp_ms,
            reason="a copy was put back",
            actor=OPERATOR,
        )
        while system.act(declared) is None:
            pass
        newest = system.store.last_seal()
        name = self._state(STORE, Store()).store_id
        if name is not None and newest is not None:
            water = system.safe.high_water
            water.move(water.mark, Mark(name, newest.position, newest.hash))
        system.archive.checkpoints = {}
        for process in list(system.processes):
            system.restart(process)

    def _settle_lost(self) -> bool:
        """Clients repeat what they asked for, and of each transfer that nobody here knows it is said what it was.

        -> whether nothing is open.
        """
        system = self.system
        self._clients_repeat()
        lost: dict[str, Lost] = {}
        for recorded in system.store.events:
            if isinstance(recorded.event, OutgoingOfLostHistory):
                lost[recorded.stream] = self._state(recorded.stream, Lost())
        for stream, state in lost.items():
            for left in state.open:
                self._say_whose(stream, left.txid)
        restored = self._state(STORE, Restored()).restored
        causes = self._state(SIGNING, Signing()).causes
        if restored is None or "restored" not in causes:
            return not any(True for stream in lost for _ in self._state(stream, Lost()).open)
        newest = system.log.newest()
        found = [it for state in lost.values() for it in state.found.values()]
        reports = sum(key.startswith("outgoing:") for key in system.outstanding.rows)
        unread = newest is None or newest.timestamp_ms < quiet_ms(restored, found, RULES.lifetime_ms)
        waits_for = "blocks are read" if unread else "reports are recorded" if reports else ""
        if waits_for or self._is_doubted():
            return False
        settlement = Settlement(tuple(lost), waits_for)
        outcome = system.act(ResumeSigning(tuple(causes), "all is settled", OPERATOR, settlement))
        return outcome is not None and not isinstance(outcome, Refused)

    def _say_whose(self, stream: str, txid: str) -> None:
        """The truth: a payout that its client has asked for again, or what nobody will ask for. Else it stays open."""
        stores = [self.system.store, *(lost.store for lost in self.system.lost)]
        payout = next((it for store in stores if (it := store.streams_of([txid]).get(txid))), "")
        here = self.system.store.histories([payout])
        if not here and any(order.stream == payout for order in self.orders.values()):
            return  # its client asks again
        outcome = self.system.act(AttributeLost(stream, txid, payout.removeprefix("payout-"), OPERATOR))
        waits = isinstance(outcome, Refused) and (
            isinstance(outcome.refusal, StreamStopped) or "may still be mined" in outcome.refusal.detail
        )
        if isinstance(outcome, Refused) and not waits:
            self.system.act(WriteOffLost(stream, txid, outcome.refusal.detail, OPERATOR))

    def _clients_repeat(self) -> None:
        """With the same keys, whatever they once asked for and this history does not know."""
        for account_id in self.accounts:
            if not self.system.store.histories([f"account-{account_id}"]):
                self._until_done(RegisterAccount(account_id, "Client", None, OPERATOR))
        known = {stream for lost in self.system.lost for stream in lost.store.streams()}
        for order in self.orders.values():
            if order.stream in known and not self.system.store.histories([order.stream]):
                self._until_done(RequestPayout(order, minimum_minor=1, actor=OPERATOR))

    def _until_done(self, command: Any) -> None:
        while self.system.act(command) is None:
            pass

    def _trace(self, line: str) -> None:
        self.trace(f"        {line}")  # type: ignore[attr-defined]
