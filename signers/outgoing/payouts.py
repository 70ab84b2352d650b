"""Step: pay what clients asked for from the hot wallet, each account in its turn (signers/outgoing/lanes.py, outgoing.py).

What the wallet cannot pay now waits, and its account's others behind it; nobody else's, and nothing fails for that. Energy
and TRX are everybody's: without them the turn ends. No payout is cheaper than another: its fee limit covers the dearest
payee there may be, whoever it is (FAILURES 74). A message on payout-requests names a payout and is believed nothing: it
makes an idle worker look at the history, which it would have looked at anyway.
Whatever else is to leave the hot wallet goes this way, too: one worker knows of all that is in flight.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Final
from uuid import UUID

import msgspec

from core.ledger.ledger import Command, EventStore, Ledger
from core.ledger.money import format_amount
from core.ports.alarm import Alarm
from core.ports.bookmarks import Bookmarks
from core.ports.chain import Chain, SecondOpinion
from core.ports.payout_lanes import LaneBoard, LaneNumbers
from core.ports.queues import Queue
from core.ports.scanning import SolidLog
from core.ports.wallets import AddressPool
from core.streams.attempts import Attempt
from core.streams.instructions import Instruction, WithdrawInstruction
from core.streams.lost_ends import ConfirmLostPayout
from core.streams.payout.ends import FailPayout
from core.streams.payout.turns import WaitPayout
from core.streams.payout.work import PayoutWork
from core.streams.payouts import PayoutOrder, WaitingFor
from core.streams.signing import SIGNING, StopSigning
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.caught_up import CaughtUp
from signers.fence import Fence
from signers.keys.keys import Key, Keys
from signers.keys.role_keys import RoleKeys
from signers.leash.leash import Leash, not_covered
from signers.outgoing.former_wallets import is_of_former, prepared_of_former
from signers.outgoing.funds import CoinsShort, Shortage, TransferRefused
from signers.outgoing.homes import Homes
from signers.outgoing.hot_wallet import KEPT_MINOR, LIFE_MS_MIN, HotWallet, PayoutRules
from signers.outgoing.lanes import Lane, Turn, head_of, short_of_coins, turn
from signers.outgoing.open_orders import SIGNING_STOPPED, OpenOrder
from signers.outgoing.open_payouts import OpenPayouts, account_of
from signers.outgoing.outgoing import BATCH, NODE_LAG_MS_MAX, Outgoing
from signers.outgoing.permissions import Permissions
from signers.transactions.build import LIFETIME_MS_MAX, Intent
from signers.transactions.signer import Limits

ACTOR: Final = "system:payouts"
BOOKMARK: Final = "payouts"
SAID_AFTER_MS: Final = 60_000
"""Chain time for which one thing hinders a payout until it is recorded: by then its client is told, and not before."""


class Payouts(Outgoing):
    """Pays from one hot wallet. `key` is that wallet's; it signs what the signer has checked, nothing else."""

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        bookmarks: Bookmarks,
        queue: Queue,
        node: Chain,
        log: SolidLog,
        pool: AddressPool,
        key: Key,
        token: Address,
        rules: PayoutRules = PayoutRules(),  # noqa: B008 (frozen)
        *,
        leash: Leash,
        alarm: Alarm,
        opinion: SecondOpinion | None = None,
        board: LaneBoard | None = None,
        fence: Fence | None = None,
        caught_up: CaughtUp | None = None,
        homes: Homes | None = None,
        keys: Keys | None = None,
        permissions: Permissions | None = None,
    ) -> None:
        """`keys` has those of the wallets before this one, and after it."""
        self._lanes = OpenPayouts(store, bookmarks, BOOKMARK, ACTOR)
        super().__init__(
            "payouts",
            ledger,
            store,
            node,
            log,
            pool,
            token,
            self._lanes,
            alarm=alarm,
            opinion=opinion,
            fence=fence,
            caught_up=caught_up,
            homes=homes,
            permissions=permissions,
        )
        self._queue = queue
        self._chain = node
        self._wallets = RoleKeys(store, "hot", key, keys)
        self._rules = rules
        self._board = board
        self._leash = leash
        self._told: set[str] = set()
        """The streams of those that the history does not cover, as far as this process has rung for them."""
        self._stopped_for: set[str] = set()
        """The same, as far as it has stopped signing for them."""
        self._lacking: dict[str, int] = {}
        """What the heads of short lanes lacked, by account."""
        self._shown: list[LaneNumbers] | None = None
        """What stands on the board, as far as this process knows."""
        self._looked: tuple[int, frozenset[str] | None] = (-1, frozenset())
        """The solid height of the last look at the wallet, and the lanes that were short then; None: all of them, of TRX."""

    def step(self) -> bool:
        """One transition of up to BATCH orders of each kind; False when there is nothing but to wait. Raises as `_advance`."""
        heard = self._hear()
        read = self._open.read_on()
        self._wallets.look()
        self._queue.delete(heard)
        unread = self._leash.position < self._open.position and self._leash.read_on()
        if self._open.behind or unread:
            return True  # what is in flight must be known before anything is promised
        self._ring_uncovered()
        busy = bool(heard or read) | (self._advance() if self._open else False)
        self._show_lanes()
        return busy

    @property
    def _key(self) -> Key:
        """Of the wallet that pays now."""
        return self._wallets.playing

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

    def _prepare(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        """Each account in its turn: one that is short is passed over, and looked at again at the next solid block."""
        commands = [*self._told_later(head), *self._of_former(head, solid)]
        looked_at, short = self._looked
        above: list[OpenOrder] = []
        lanes, held = self._held_apart(self._lanes.lanes(head.timestamp_ms, partial(self._is_free, above)))
        commands += [command for order in above for command in self._above_limit(order, head)][:BATCH]
        if self._refuge is not None:
            commands += self._while_held(head, SIGNING_STOPPED)
        for reason, of_it in held.items():
            commands += self._heads_hindered(of_it, reason, head)
        if looked_at == solid.number:
            lanes = [] if short is None else [lane for lane in lanes if lane.account_id not in short]
        if not lanes:
            self._lacking = self._lacking if looked_at == solid.number else {}
            return commands
        room = self._room(self._key.address.base58, head)
        if room < BATCH:
            commands += self._heads_hindered(lanes, SIGNING_STOPPED, head)
            if not room:
                return commands
        wallet = self._look(self._key.address, KEPT_MINOR)
        if wallet.life_ms(head) < min(LIFE_MS_MIN, self._rules.lifetime_ms):
            return commands  # the maintenance is near
        if looked_at != solid.number:
            self._looked, self._lacking = (solid.number, frozenset()), {}
        earmarks = self._lanes.earmarks.set_aside if self._refuge is None else {}
        found = turn(lanes, wallet.free_minor, earmarks, room)
        commands += self._make(wallet, found, lanes, head, solid)
        for key, lacking_minor in found.short.items():
            order = self._lanes.order(key)
            self._pass_over(order, solid)
            self._lacking[account_of(order)] = lacking_minor
            commands += self._short(wallet, order, lacking_minor, head)
        return commands

    def _held_apart(self, lanes: Sequence[Lane]) -> tuple[list[Lane], dict[WaitingFor, list[Lane]]]:
        """Lanes that may have turns, and by reason those whose account may have nothing paid now."""
        free: list[Lane] = []
        held: defaultdict[WaitingFor, list[Lane]] = defaultdict(list)
        for lane in lanes:
            reason = self._lanes.held(self._lanes.order(head_of(lane).key))
            (free if reason is None else held[reason]).append(lane)
        return free, held

    def _make(
        self, wallet: HotWallet, found: Turn, lanes: Sequence[Lane], head: BlockRef, solid: BlockRef
    ) -> list[Command]:
        """The bytes of those whose turn it is. A shortage of energy or TRX ends the turn: it is everybody's."""
        commands: list[Command] = []
        passed: set[str] = set()
        left_minor = self._leash.left_minor(self._wallets.counted_as)
        for key in found.made:
            order = self._lanes.order(key)
            if account_of(order) in passed:
                continue
            made = len(order.attempts.made)
            code = "not_mined" if order.attempts.left >= self._rules.attempts_max else self._unpayable(wallet, order)
            if code is not None:
                commands.append(self._give_up(order, code))
                continue
            if isinstance(order.wish, PayoutOrder) and not self._leash.fits(order.wish, left_minor):
                passed.add(account_of(order))
                self._pass_over(order, solid)
                commands += self._above_limit(order, head)
                continue
            try:
                intent = order.intent(self._key.address, self._token)
                by = self._permissions.permission_id(intent)
                attempt = wallet.attempt(UUID(order.key).bytes, intent, made + 1, head, solid, permission_id=by)
            except Shortage as shortage:
                if isinstance(order.wish, Instruction):  # the treasury's wish, not a client's: it may be given again
                    commands.append(self._give_up(order, str(shortage)))
                elif isinstance(shortage, TransferRefused | CoinsShort):
                    passed.add(account_of(order))
                    self._pass_over(order, solid)
                    self._say(f"{order.name} waits: {shortage}")
                    self._alarms.refused(order, shortage, head.timestamp_ms)
                    reason: WaitingFor = "token" if isinstance(shortage, TransferRefused) else "coins"
                    commands += self._hindered(order, reason, head)
                else:
                    return commands + self._end_turn(order, shortage, lanes, head, solid)
            else:
                commands.append(order.prepare(attempt))
                self._alarms.taken(order)
                if left_minor is not None and isinstance(order.wish, PayoutOrder):
                    left_minor -= order.wish.amount_minor
        return commands

    def _pass_over(self, order: OpenOrder, solid: BlockRef) -> None:
        _, short = self._looked
        if short is not None:  # else all of them wait already
            self._looked = (solid.number, short | {account_of(order)})

    def _short(self, wallet: HotWallet, order: OpenOrder, lacking_minor: int, head: BlockRef) -> list[Command]:
        """A lane's head for which the coins do not suffice: what is recorded of it, and who is told."""
        if isinstance(order.wish, Instruction):
            return [self._give_up(order, f"it lacks {format_amount(lacking_minor, 'USDT')} USDT")]
        said = self._hindered(order, "coins", head)
        if said and (code := self._unpayable(wallet, order)) is not None:
            return [self._give_up(order, code)]
        if order.hindered is not None and head.timestamp_ms - order.hindered[1] >= SAID_AFTER_MS:
            self._say_short(order, lacking_minor, order.hindered[1])
        return said

    def _say_short(self, order: OpenOrder, lacking_minor: int, since_ms: int) -> None:
        """Once for each payout that heads a short lane: nobody else waits for it, and the remedy is a command."""
        wish = order.wish
        if not isinstance(wish, PayoutOrder) or self._wallets.retiring:
            return  # what the wallet before still has is on its way
        aside_minor = self._lanes.earmarks.set_aside.get(wish.stream, 0)
        name = self._lanes.account(wish).name or wish.account_id
        said = short_of_coins(name, wish.amount_minor, lacking_minor, aside_minor, since_ms)
        self._alarms.ring(order, "hot_wallet_short", said)

    def _show_lanes(self) -> None:
        """Put on the board what changed since this process did it last."""
        if self._board is None:
            return
        shown = self._lanes.numbers(self._lacking if self._open else {})
        if shown != self._shown:
            self._board.put(shown)
            self._shown = shown

    def _hindered(self, order: OpenOrder, reason: WaitingFor, head: BlockRef) -> list[Command]:
        """Its turn has come, and this keeps it from being made: recorded once, after a minute."""
        wish = order.wish
        if not isinstance(wish, PayoutOrder):
            return []
        if order.hindered is None or order.hindered[0] != reason:
            order.hindered = (reason, head.timestamp_ms)
        since_ms = order.hindered[1]
        if head.timestamp_ms - since_ms < SAID_AFTER_MS or reason in order.state.waited_for:
            return []
        return [WaitPayout(wish, ACTOR, reason=reason, since_ms=since_ms)]

    def _heads_hindered(self, lanes: Sequence[Lane], reason: WaitingFor, head: BlockRef) -> list[Command]:
        """What holds up everybody, said of each lane's head."""
        heads = (self._lanes.order(head_of(lane).key) for lane in lanes)
        return [command for order in heads for command in self._hindered(order, reason, head)][:BATCH]

    def _told_later(self, head: BlockRef) -> list[Command]:
        """What its client wants later waits for that; what may be paid already, for an operator."""
        later = ((order, "not_before") for order in self._lanes.unsaid())
        maybe_paid = ((order, "may_be_paid_already") for order in self._lanes.may_be_paid())
        hindered: Iterator[tuple[OpenOrder, WaitingFor]] = chain(later, maybe_paid)  # type: ignore[arg-type]
        return list(islice((it for order, reason in hindered for it in self._hindered(order, reason, head)), BATCH))

    def _attributed(self) -> list[Command]:
        found = islice(self._lanes.attributed(), BATCH)
        return [ConfirmLostPayout(order, ACTOR, txid=txid) for order, txid in found]

    def _while_held(self, head: BlockRef, reason: WaitingFor) -> list[Command]:
        lanes = self._lanes.lanes(head.timestamp_ms)
        return self._told_later(head) + self._heads_hindered(lanes, reason, head)

    def _look(self, address: Address, kept_minor: int) -> HotWallet:
        on_chain, flying = (self._chain, self._pool, address, self._token), self._in_flight(address)
        return HotWallet.look(*on_chain, self._rules, flying, kept_minor=kept_minor)

    def _in_flight(self, address: Address) -> Iterator[tuple[Intent, Attempt]]:
        for order in self._open:
            alive = order.attempts.alive
            if alive is not None and alive.from_address == address.base58:
                yield order.intent(address, self._token), alive

    def _of_former(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        """What empties a wallet that was replaced."""
        now = self._key.address
        of_it = (it for it in self._unprepared() if is_of_former(it, now))
        ours = (order for order in of_it if self._room(order.wish.owner, head))  # type: ignore[union-attr]
        look, by, most = partial(self._look, kept_minor=0), self._permissions.permission_id, self._rules.attempts_max
        made = prepared_of_former(ours, now, look, self._may_go, self._give_up, by, most, head, solid)
        return list(islice(made, BATCH))

    @staticmethod
    def _unpayable(wallet: HotWallet, order: OpenOrder) -> str | None:
        return wallet.unpayable(order.wish.to_address) if isinstance(order.wish, PayoutOrder) else None

    def _give_up(self, order: OpenOrder, code: str) -> Command:
        """No bytes of it can be mined: the client has its coins back, the treasury sees why."""
        if isinstance(order.wish, Instruction):
            return WithdrawInstruction(order.wish, ACTOR, reason=code)
        return FailPayout(order=order.wish, actor=ACTOR, failure_code=code, txid=None, burned_sun=0)

    def _end_turn(
        self, order: OpenOrder, shortage: Shortage, lanes: Sequence[Lane], head: BlockRef, solid: BlockRef
    ) -> list[Command]:
        """Everybody waits for TRX or energy: look again at the next solid block, and say so once."""
        self._looked = (solid.number, None)
        self._say(f"{order.name} waits, and all behind it: {shortage}")
        self._ring(order, "hot_wallet_short", f"and all behind it: the hot wallet {self._key.address}, {shortage}")
        return self._heads_hindered(lanes, "energy", head)

    # The signer's own leash (signers/leash)

    def _is_free(self, above: list[OpenOrder], order: OpenOrder) -> bool:
        """Whether it may be made, the account and the hour apart. What an approver has to let go is kept in `above`."""
        wish = order.wish
        if not self._may_go(order) or is_of_former(order, self._key.address):
            return False
        objection = self._leash.objection(wish) if isinstance(wish, PayoutOrder) else None
        if objection is None or objection.cause == "account":  # whose lane waits, and says so
            return True
        if objection.cause != "unread":
            above.append(order)
        return False

    def _above_limit(self, order: OpenOrder, head: BlockRef) -> list[Command]:
        """What is recorded, and rung for, of a payout that waits for an approval or for the end of an hour or a day."""
        assert isinstance(order.wish, PayoutOrder)
        objection = self._leash.objection(order.wish)
        if objection is not None and objection.cause == "not_covered":
            return self._hindered(order, "not_covered", head)
        why = "as much as SIGNER_HOUR_MAX or SIGNER_DAY_MAX allows was signed; it goes on by itself when that is over"
        self._ring(
            order,
            "above_signer_limit",
            f"{objection.sentence if objection else why}. To let it go now: `counterfoil payouts approve {order.key}`",
        )
        return self._hindered(order, "above_signer_limit", head)

    def _ring_uncovered(self) -> None:
        """Once for each payout that the history does not cover, and once for a history that is not the one that was sealed."""
        if self._leash.broken is not None and SIGNING not in self._told:
            self._told.add(SIGNING)
            self._alarm("history_not_sealed", f"{self._leash.broken}: nothing is signed until a person has looked")
        for stream, asked in [(it, self._leash.uncovered[it]) for it in self._leash.uncovered.keys() - self._told]:
            self._told.add(stream)
            self._alarm(
                "payout_not_covered",
                f"payout {asked.order.payout_id}, {not_covered(asked)}. It is never signed, and signing stops: somebody"
                " appended it who is not the API, or the API is not itself",
            )

    def _stops(self) -> list[Command]:
        if self._leash.broken is not None:
            return [StopSigning("history_not_sealed", SIGNING, ACTOR)]
        new = self._leash.uncovered.keys() - self._stopped_for
        self._stopped_for |= new
        return [StopSigning("payout_not_covered", stream, ACTOR) for stream in sorted(new)]

    def _granted(self, unsigned: list[tuple[OpenOrder, Attempt, Key]]) -> list[tuple[OpenOrder, Attempt, Key]]:
        wanted = [
            (order.wish, attempt)
            for order, attempt, _ in unsigned
            if isinstance(order.wish, PayoutOrder) and order.attempts.signature is None
        ]
        if not wanted:
            return unsigned
        granted = self._leash.reserve(self._wallets.counted_as, wanted)
        withheld = {attempt.txid for _, attempt in wanted} - granted
        return [each for each in unsigned if each[1].txid not in withheld]

    def _key_of(self, order: OpenOrder, attempt: Attempt) -> Key | None:
        key = self._wallets.key_of(attempt.from_address)
        if key is None or self._lanes.held(order):
            return None
        unsigned = order.wish if order.attempts.signature is None else None
        return None if isinstance(unsigned, PayoutOrder) and self._leash.objection(unsigned) else key

    def _limits(self, head: BlockRef) -> Limits:
        return Limits(
            token=self._token,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms_max=min(self._rules.lifetime_ms + NODE_LAG_MS_MAX, LIFETIME_MS_MAX),
            fee_limit_sun_max=self._rules.fee_limit_sun_max,
        )
