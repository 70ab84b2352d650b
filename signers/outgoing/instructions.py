"""Step: make the treasury's transactions, those of the gas wallet and of deposit addresses (signers/outgoing/outgoing.py).

Before bytes are made and again before they are signed, the node is asked what the transaction takes now and whether its
wallet has it: nothing is signed that would run out of energy by our own estimate. Prices and energy factors change at
maintenance periods only, so a transfer whose life would reach into the next one waits for it. What cannot be made as it
was wished is given back with its reason: whoever wished it looks again. The cold wallet's bytes are made by its owner's
command and signed elsewhere; here they are seen through.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final
from uuid import UUID

import msgspec

from core.ledger.ledger import Command, EventStore, Ledger
from core.ledger.money import format_amount
from core.ports.alarm import Alarm
from core.ports.bookmarks import Bookmarks
from core.ports.chain import CallNotMade, Chain, SecondOpinion
from core.ports.scanning import SolidLog
from core.ports.wallets import AddressPool
from core.streams.attempts import Attempt
from core.streams.instructions import OF_FORMER, Instruction, WithdrawInstruction
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.caught_up import CaughtUp
from signers.fence import Fence
from signers.keys.awaited import KeyOfAddress
from signers.keys.keys import Key, Keys
from signers.keys.role_keys import RoleKeys
from signers.outgoing.funds import Funds, Prices, Shortage, usdt_of
from signers.outgoing.homes import Homes
from signers.outgoing.needs import TRANSFER_BYTES, Payer, need_of
from signers.outgoing.open_orders import OpenOrder, OpenOrders, instructions
from signers.outgoing.outgoing import BATCH, NODE_LAG_MS_MAX, Outgoing
from signers.outgoing.permissions import Permissions
from signers.outgoing.trials import TokenRefuses
from signers.transactions.build import (
    LIFETIME_MS_MAX,
    DelegateResource,
    FeeAboveCeiling,
    Intent,
    Trc20Transfer,
    TrxTransfer,
    UndelegateResource,
    bandwidth_bytes,
    envelope_for,
)
from signers.transactions.intents import attempt_of
from signers.transactions.signer import Limits

ACTOR: Final = "system:sweeps"
BOOKMARK: Final = "instructions"


class InstructionRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the treasury's transactions are made. Everything in chain time and sun."""

    lifetime_ms: int = 60_000
    fee_limit_sun_max: int = 60_000_000
    margin_percent: int = 10
    """On the energy that the trial calls used."""
    attempts_max: int = 5
    """After so many attempts, each proven dead, it is given back."""


class Withdrawn(Exception):
    """It cannot be made as it was wished; the text says why."""


class Instructions(Outgoing):
    """Makes what is not the hot wallet's. `gas` is the gas wallet's key, `keys` has those of deposit addresses."""

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        bookmarks: Bookmarks,
        node: Chain,
        log: SolidLog,
        pool: AddressPool,
        gas: Key,
        keys: Keys,
        token: Address,
        rules: InstructionRules = InstructionRules(),  # noqa: B008 (frozen)
        *,
        alarm: Alarm,
        opinion: SecondOpinion | None = None,
        fence: Fence | None = None,
        caught_up: CaughtUp | None = None,
        homes: Homes | None = None,
        permissions: Permissions | None = None,
    ) -> None:
        orders = OpenOrders(store, bookmarks, BOOKMARK, [instructions(ACTOR, ["gas", "payin", "cold"])])
        super().__init__(
            "instructions",
            ledger,
            store,
            node,
            log,
            pool,
            token,
            orders,
            alarm=alarm,
            opinion=opinion,
            fence=fence,
            caught_up=caught_up,
            homes=homes,
            permissions=permissions,
        )
        self._chain = node
        self._wallets = RoleKeys(store, "gas", gas, keys)
        self._keys = keys
        self._rules = rules
        self._prices: Prices | None = None

    def step(self) -> bool:
        """One transition of up to BATCH instructions of each kind; False when there is nothing to do but wait.

        Raises SignatureRefused, UnexplainedTransfer, BrokenLog: no retry mends them, a person has to look.
        """
        read = self._open.read_on()
        self._wallets.look()
        if self._open.behind:
            return True
        if not self._open:
            return bool(read)
        self._prices = None
        return bool(read) | self._advance()

    @property
    def _gas(self) -> Key:
        return self._wallets.playing

    # Preparing

    def _prepare(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        commands: list[Command] = []
        funds: dict[str, Funds] = {}
        rooms: dict[str, int] = {}
        for order in islice(self._unprepared(), BATCH):
            made, wallet, owner = len(order.attempts.made), _instruction(order).wallet, _instruction(order).owner
            if not self._may_go(order):
                commands.append(self._give_back(order, "everything goes to cold storage"))
                continue
            if rooms.setdefault(owner, self._room(owner, head)) <= 0:
                continue
            if made >= (1 if wallet == "cold" else self._rules.attempts_max):
                commands.append(self._give_back(order, "not mined"))
                continue
            if wallet == "cold":
                continue
            attempt: Attempt | None
            try:
                is_gas = wallet == "gas"
                attempt = self._of_gas(order, funds, head, solid) if is_gas else self._of_payin(order, head, solid)
            except Withdrawn as reason:
                commands.append(self._give_back(order, str(reason)))
            except CallNotMade as error:  # this one waits, the others go on
                self._say(f"{order.name} waits: {error}")
            except Shortage as shortage:
                self._wait(order, owner, shortage)
            else:
                if attempt is not None:
                    rooms[owner] -= 1
                    commands.append(order.prepare(attempt))
        return commands

    def is_making(self, address: str) -> bool:
        """Whether bytes of this wallet's may still be mined."""
        alive = (order.attempts.alive for order in self._open)
        return any(it is not None and it.from_address == address for it in alive)

    def _give_back(self, order: OpenOrder, reason: str) -> Command:
        return WithdrawInstruction(_instruction(order), ACTOR, reason=reason)

    def _wait(self, order: OpenOrder, owner: str, shortage: Shortage) -> None:
        self._say(f"{order.name} waits: the gas wallet {owner} is short, {shortage}")
        self._ring(order, "gas_wallet_short", f"the gas wallet {owner} is short, {shortage}")

    def _now(self) -> Prices:
        if self._prices is None:
            self._prices = Prices.of(self._node)
        return self._prices

    def _in_flight(self, owner: str) -> Iterator[tuple[Intent, Attempt]]:
        for order in self._open:
            attempt = order.attempts.alive
            if attempt is not None and attempt.from_address == owner:
                yield order.intent(self._gas.address, self._token), attempt

    def _of_gas(self, order: OpenOrder, known: dict[str, Funds], head: BlockRef, solid: BlockRef) -> Attempt:
        """Raises Withdrawn, Shortage. What does not fit is put back, so that smaller ones behind it are made.

        `known` has the funds of each gas wallet, less what is in flight: of the one that plays the role, and of one before.
        """
        intent = order.intent(self._gas.address, self._token)
        owner, is_of_former = intent.owner.base58, _instruction(order).purpose in OF_FORMER
        if self._wallets.key_of(owner) is None or (intent.owner != self._gas.address and not is_of_former):
            raise Withdrawn(f"{intent.owner} is not the gas wallet")
        if owner not in known:
            known[owner] = Funds.look(self._node, intent.owner, self._token, self._now(), self._in_flight(owner))
        funds = known[owner]
        match intent:
            case DelegateResource(resource=resource, stake_sun=stake_sun, receiver=receiver):
                if self._node.account(receiver) is None:
                    raise Withdrawn(f"{receiver} has no account yet")
                if stake_sun > self._chain.delegatable_sun(intent.owner, resource):
                    raise Withdrawn("the stake is lent or used")
            case UndelegateResource(receiver=receiver, resource=resource, stake_sun=stake_sun):
                if stake_sun > self._lent_sun(intent.owner, receiver, resource):
                    raise Withdrawn(f"{receiver} has less than that to give back")
        fee_limit_sun = 0
        if isinstance(intent, Trc20Transfer):  # what somebody sent here by mistake, and a rotation takes along
            fee_limit_sun = self._affordable(intent, self._rules.margin_percent)
        attempt = self._attempt(order, intent, head, solid, fee_limit_sun)
        activates = isinstance(intent, TrxTransfer) and self._node.solid_account(intent.to) is None
        kept = msgspec.structs.astuple(funds)
        size = bandwidth_bytes(bytes.fromhex(attempt.raw_data))
        funds.set_aside(intent, fee_limit_sun, size, activates=activates)
        try:
            funds.check()
        except Shortage:
            for name, value in zip(funds.__struct_fields__, kept, strict=True):
                setattr(funds, name, value)
            raise
        return attempt

    def _lent_sun(self, owner: Address, receiver: Address, resource: str) -> int:
        lent = self._chain.delegations(owner, receiver)
        return sum(each.energy_sun if resource == "ENERGY" else each.bandwidth_sun for each in lent)

    def _of_payin(self, order: OpenOrder, head: BlockRef, solid: BlockRef) -> Attempt | None:
        """None while prices may change within its life. Raises Withdrawn."""
        intent = order.intent(self._gas.address, self._token)
        if isinstance(intent, TrxTransfer):
            payer = Payer.look(self._node, intent.owner)
            fee_sun = payer.bytes_cost_sun(TRANSFER_BYTES, self._now().bandwidth_sun)
            if intent.amount_sun + fee_sun > payer.balance_sun:
                raise Withdrawn("it holds less than that")
            return self._attempt(order, intent, head, solid)
        if not isinstance(intent, Trc20Transfer):
            raise Withdrawn("a deposit address only sends coins")
        if head.timestamp_ms + self._rules.lifetime_ms >= self._chain.next_maintenance_ms():
            return None
        if usdt_of(self._node, intent.owner, self._token) < intent.amount:
            raise Withdrawn("it holds less than that")
        fee_limit_sun = self._affordable(intent, self._rules.margin_percent)
        return self._attempt(order, intent, head, solid, fee_limit_sun)

    def _affordable(self, intent: Trc20Transfer, margin_percent: int) -> int:
        """The fee limit of a transfer that its owner can pay for now. Raises Withdrawn."""
        to_hot = self._pool.ours([intent.to.evm]).get(intent.to.evm) == "hot"
        owner, token, amount_minor = intent.owner, self._token, intent.amount
        try:
            need = need_of(
                self._node, self._now(), owner, token, intent.to, amount_minor, margin_percent, to_hot=to_hot
            )
        except TokenRefuses as error:
            raise Withdrawn(f"the token refuses the transfer: {error}") from error
        if need.short_sun:
            raise Withdrawn(f"it lacks {format_amount(need.short_sun, 'TRX')} TRX, or the energy")
        try:
            return need.fee_limit_sun(self._rules.fee_limit_sun_max)
        except FeeAboveCeiling as error:
            raise Withdrawn(f"the fee ceiling is too low: {error}") from error

    def _attempt(
        self, order: OpenOrder, intent: Intent, head: BlockRef, solid: BlockRef, fee_limit_sun: int = 0
    ) -> Attempt:
        number = len(order.attempts.made) + 1
        envelope = envelope_for(
            UUID(order.key).bytes,
            number,
            solid,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms=self._rules.lifetime_ms,
            fee_limit_sun=fee_limit_sun,
            permission_id=self._permissions.permission_id(intent),
        )
        return attempt_of(intent, envelope, number)

    # Signing

    def _key_of(self, order: OpenOrder, attempt: Attempt) -> Key | None:
        """None also where the wallet can no longer pay for it: unsigned bytes die, and others are made."""
        wallet = _instruction(order).wallet
        if wallet == "gas":
            return self._wallets.key_of(attempt.from_address)
        if wallet != "payin":
            return None
        intent = order.intent(self._gas.address, self._token)
        if isinstance(intent, Trc20Transfer):
            try:
                if self._affordable(intent, 0) > attempt.fee_limit_sun:
                    return None
            except (Withdrawn, CallNotMade):
                return None
        key_id = self._pool.key_ids([intent.owner.evm]).get(intent.owner.evm)
        return KeyOfAddress(intent.owner, self._keys, key_id) if key_id else None

    def _limits(self, head: BlockRef) -> Limits:
        return Limits(
            token=self._token,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms_max=min(self._rules.lifetime_ms + NODE_LAG_MS_MAX, LIFETIME_MS_MAX),
            fee_limit_sun_max=self._rules.fee_limit_sun_max,
        )


def _instruction(order: OpenOrder) -> Instruction:
    """This worker opens no others."""
    assert isinstance(order.wish, Instruction)
    return order.wish
