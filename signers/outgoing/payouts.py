"""Step: pay what clients asked for from the hot wallet, in the order in which they asked (signers/outgoing/outgoing.py).

What the wallet cannot pay now waits, and all behind it; nothing fails for that. A message on payout-requests names a
payout and is believed nothing: it makes an idle worker look at the history, which it would have looked at anyway.
Whatever else is to leave the hot wallet goes this way, too: one worker knows of all that is in flight.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final
from uuid import UUID

import msgspec

from core.ledger.ledger import Command, EventStore, Ledger
from core.ports.alarm import Alarm
from core.ports.bookmarks import Bookmarks
from core.ports.chain import Chain, SecondOpinion
from core.ports.queues import Queue
from core.ports.scanning import SolidLog
from core.ports.wallets import AddressPool
from core.streams.attempts import Attempt
from core.streams.instructions import Instruction, WithdrawInstruction
from core.streams.payouts import FailPayout, PayoutOrder, PayoutWork
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.keys.keys import Key
from signers.outgoing.funds import Shortage
from signers.outgoing.hot_wallet import LIFE_MS_MIN, HotWallet, PayoutRules
from signers.outgoing.open_orders import OpenOrder, OpenOrders, instructions, payouts
from signers.outgoing.outgoing import BATCH, NODE_LAG_MS_MAX, Outgoing
from signers.transactions.build import LIFETIME_MS_MAX, Intent
from signers.transactions.signer import Limits

ACTOR: Final = "system:payouts"
BOOKMARK: Final = "payouts"


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
        alarm: Alarm,
        opinion: SecondOpinion | None = None,
    ) -> None:
        orders = OpenOrders(store, bookmarks, BOOKMARK, [payouts(ACTOR), instructions(ACTOR, ["hot"])])
        super().__init__("payouts", ledger, store, node, log, pool, token, orders, alarm=alarm, opinion=opinion)
        self._queue = queue
        self._chain = node
        self._key = key
        self._rules = rules
        self._short_at = -1
        """The solid height at which the wallet was last too short for the payout whose turn it is."""

    def step(self) -> bool:
        """One transition of up to BATCH orders of each kind; False when there is nothing to do but wait.

        Raises SignatureRefused, WalletHijacked, UnexplainedTransfer, BrokenLog: no retry mends them, a person has to look.
        """
        heard = self._hear()
        read = self._open.read_on()
        self._queue.delete(heard)
        if self._open.behind:
            return True  # what is in flight must be known before anything is promised
        if not self._open:
            return bool(heard or read)
        return bool(heard or read) | self._advance()

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
        """In the order of the requests: the first payout that must wait ends the turn."""
        waiting = list(islice(self._unprepared(), BATCH))
        if not waiting or self._short_at == solid.number:
            return []
        wallet = HotWallet.look(self._chain, self._pool, self._key.address, self._token, self._rules, self._in_flight())
        if wallet.life_ms(head) < min(LIFE_MS_MIN, self._rules.lifetime_ms):
            return []  # the maintenance is near
        commands: list[Command] = []
        for order in waiting:
            made = len(order.attempts.made)
            code = "not_mined" if made >= self._rules.attempts_max else self._unpayable(wallet, order)
            if code is not None:
                commands.append(self._give_up(order, code))
                continue
            try:
                intent = order.intent(self._key.address, self._token)
                attempt = wallet.attempt(UUID(order.key).bytes, intent, made + 1, head, solid)
            except Shortage as shortage:
                if isinstance(order.wish, Instruction):  # the treasury's wish, not a client's: it may be given again
                    commands.append(self._give_up(order, str(shortage)))
                    continue
                self._wait(order, shortage, solid)
                break
            commands.append(order.prepare(attempt))
        return commands

    def _in_flight(self) -> Iterator[tuple[Intent, Attempt]]:
        for order in self._open:
            if order.attempts.alive is not None:
                yield order.intent(self._key.address, self._token), order.attempts.alive

    @staticmethod
    def _unpayable(wallet: HotWallet, order: OpenOrder) -> str | None:
        return wallet.unpayable(order.wish.to_address) if isinstance(order.wish, PayoutOrder) else None

    def _give_up(self, order: OpenOrder, code: str) -> Command:
        """No bytes of it can be mined: the client has its coins back, the treasury sees why."""
        if isinstance(order.wish, Instruction):
            return WithdrawInstruction(order.wish, ACTOR, reason=code)
        return FailPayout(order=order.wish, actor=ACTOR, failure_code=code, txid=None, burned_sun=0)

    def _wait(self, order: OpenOrder, shortage: Shortage, solid: BlockRef) -> None:
        """Look again at the next solid block; say so once."""
        self._short_at = solid.number
        self._say(f"{order.name} waits, and all behind it: {shortage}")
        self._ring(order, "hot_wallet_short", f"and all behind it: the hot wallet {self._key.address}, {shortage}")

    def _key_of(self, _: OpenOrder, attempt: Attempt) -> Key | None:
        return self._key if attempt.from_address == self._key.address.base58 else None

    def _limits(self, head: BlockRef) -> Limits:
        return Limits(
            token=self._token,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms_max=min(self._rules.lifetime_ms + NODE_LAG_MS_MAX, LIFETIME_MS_MAX),
            fee_limit_sun_max=self._rules.fee_limit_sun_max,
        )
