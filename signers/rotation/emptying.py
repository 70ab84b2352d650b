"""Step: empty the wallets that were replaced, one instruction after the other, and retire each when it has nothing left.

    TRX that it can spare -> USDT -> lent energy is taken back -> stake is taken back (14 days) -> withdrawn -> TRX -> retired

Nothing is begun while bytes of the old wallet may still be mined: what they take would be promised twice. What comes next is
read from the chain each time, so a crash between any two lines is a restart. A retired wallet stays ours: what comes to it
rings, and is moved on where it is worth it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from uuid import UUID

from core.ledger.ledger import Command, EventStore, Ledger, state_of
from core.ledger.money import format_amount
from core.ports.alarm import Alarm, Condition, tell
from core.ports.chain import CallNotMade, Chain
from core.streams.instructions import GiveInstruction, Instruction, InstructionFailed, Purpose, SendToken, SendTrx
from core.streams.signing import SIGNING, Signing
from core.streams.treasury import wallet_stream
from core.streams.wallet.rotation import NOBODY, ROTATED_ROLES, RetireWallet, RoleHistory, RotatedRole
from core.tron.address import Address
from core.tron.chain import BlockRef, Resource
from signers.numbered import Numbered
from signers.outcomes import append
from signers.outgoing.funds import Prices, usdt_of
from signers.outgoing.instructions import ACTOR, InstructionRules
from signers.outgoing.needs import TRANSFER_BYTES, Payer, need_of
from signers.outgoing.permissions import Permissions
from signers.outgoing.trials import TokenRefuses
from signers.rotation.left import Left, Lent, next_act
from signers.sweeps.open_sweeps import OpenSweeps
from signers.sweeps.worth import SweepRules
from signers.transactions.build import TrxTransfer, bandwidth_bytes, build, envelope_for

log = logging.getLogger(__name__)

NAME: Final = "rotation"
MARGIN_PERCENT: Final = 25
"""On the energy of the last transfer: more than whoever makes it sets aside, so that it never lacks what was left for it."""
REST_BLOCKS: Final = 20
"""After what could not be made, and between two looks at a retired wallet."""
REST_FAILED_BLOCKS: Final = 1_200
"""After what was mined and moved nothing: an hour."""


class Emptying:
    """`is_making` says whether bytes of a gas wallet's may still be mined; `under_way` knows the rest of what is open."""

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        node: Chain,
        token: Address,
        rules: SweepRules,
        under_way: OpenSweeps,
        is_making: Callable[[str], bool],
        permissions: Permissions,
        *,
        alarm: Alarm,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._node = node
        self._token = token
        self._rules = rules
        self._open = under_way
        self._is_making = is_making
        self._permissions = permissions
        self._alarm = alarm
        self._paid = Condition(alarm, "retired_wallet_paid")
        self._kept = Condition(alarm, "wallet_cannot_be_emptied")
        self._looked = -1
        """The solid height of the last look."""
        self._rests: dict[str, int] = {}
        """By address, the solid height before which it is not looked at."""
        self._rung: dict[str, str] = {}
        """By address, what was last rung for."""

    def step(self) -> bool:
        """One instruction for each wallet that is to be emptied; looks once a solid block. Raises Unavailable."""
        known = {role: state_of(self._store, wallet_stream(role), NOBODY) for role in ROTATED_ROLES}
        if not any(each.former for each in known.values()) or self._open.behind:
            return False
        solid = self._node.solid()
        if solid.number <= self._looked:
            return False
        self._looked = solid.number
        self._permissions.read()
        if "evacuation" in state_of(self._store, SIGNING, Signing()).causes:
            return False  # everything goes to cold storage, from here too
        return bool(append(self._ledger, list(self._commands(known, solid))))

    def _commands(self, known: dict[RotatedRole, RoleHistory], solid: BlockRef) -> Iterator[Command]:
        gas = known["gas"].playing
        for role, history in known.items():
            assert history.playing is not None or not history.former
            for address in history.former:
                if solid.number < self._rests.get(address, 0):
                    continue
                assert history.playing is not None
                try:
                    yield from self._further(role, history, address, gas.address if gas else "", solid)
                except CallNotMade as error:
                    log.info("%s is looked at again: %s", address, error)

    def _further(
        self, role: RotatedRole, history: RoleHistory, address: str, gas: str, solid: BlockRef
    ) -> Iterator[Command]:
        """One step for one wallet, if it is time for one. Raises CallNotMade."""
        numbered = Numbered(self._store, address, NAME)
        number = numbered.given()
        if number and not numbered.is_behind(number, solid):
            return
        if self._is_making(address) or self._open.is_making(address):
            return
        if number and self._came_to_nothing(numbered, number, address, solid):
            return
        self._rests.pop(address, None)
        left = self._left(Address.from_base58(address), history, numbered.id(number + 1), solid)
        is_retired = address in history.retired
        if is_retired:
            self._rests[address] = solid.number + REST_BLOCKS
            self._ring_paid(role, address, left)
            if not self._is_worth(left):
                return
        assert history.playing is not None
        to = history.playing.address
        left, usdt = self._usdt(address, to, left, role)
        act = next_act(left, to, usdt)
        purpose: Purpose = "rotation"
        owner, wallet = address, role
        if isinstance(act, SendTrx) and act.to == address:  # fuel for it
            purpose, owner, wallet = "fuel", gas, "gas"
        if act is not None and not self._is_in_other_hands(Address.from_base58(owner), solid):
            instruction = Instruction(numbered.id(number + 1), purpose, "", owner, wallet, act)
            yield GiveInstruction(instruction, ACTOR)
        elif act is None and not is_retired and left.is_nothing and not self._open.is_expected(address):
            self._kept.end(address)
            yield RetireWallet(role, ACTOR, address=address, block_number=solid.number)

    def _is_in_other_hands(self, owner: Address, solid: BlockRef) -> bool:
        """Whether others than declared may sign for it: nothing of it is signed then, and the wallet in its place goes on."""
        difference = self._permissions.difference(owner)
        if difference:
            self._rests[owner.base58] = solid.number + REST_FAILED_BLOCKS
            self._ring(owner.base58, "wallet_cannot_be_emptied", f"of {owner}, {difference}")
        return bool(difference)

    def _came_to_nothing(self, numbered: Numbered, number: int, address: str, solid: BlockRef) -> bool:
        """Whether the last one could not be made, or moved nothing: it is not tried again at once."""
        last = numbered.state(number)
        if last.state == "confirmed" or address in self._rests:
            return False
        blocks = REST_BLOCKS
        if isinstance(last.end, InstructionFailed):
            blocks = REST_FAILED_BLOCKS
            sentence = f"what was to empty {address} failed: {last.end.failure_code} in {last.end.txid}; tried again in an hour"
            self._ring(address, "wallet_cannot_be_emptied", sentence)
        self._rests[address] = solid.number + blocks
        return True

    def _usdt(self, address: str, to: str, left: Left, role: RotatedRole) -> tuple[Left, SendToken | SendTrx | None]:
        """What moves all of it, or brings the TRX that it lacks for that. Where the token refuses, the rest goes its way."""
        if not left.usdt_minor:
            return left, None
        owner, payee, prices = Address.from_base58(address), Address.from_base58(to), Prices.of(self._node)
        try:
            need = need_of(self._node, prices, owner, self._token, payee, left.usdt_minor, MARGIN_PERCENT)
        except TokenRefuses as error:
            self._ring(address, "wallet_cannot_be_emptied", f"the {role} wallet {address} keeps its USDT: {error}")
            return left, None
        left = left._replace(usdt_sun=need.energy_short * prices.energy_sun + TRANSFER_BYTES * prices.bandwidth_sun)
        if not need.short_sun:
            return left, SendToken(to, left.usdt_minor)
        if role == "hot":
            return left, SendTrx(address, need.short_sun)
        lacks = format_amount(need.short_sun, "TRX")
        self._ring(
            address, "wallet_cannot_be_emptied", f"the gas wallet {address} lacks {lacks} TRX to send its USDT on"
        )
        return left, None

    def _left(self, address: Address, history: RoleHistory, name: str, solid: BlockRef) -> Left:
        """What the chain says, where blocks are solid; `name` is the id of the instruction that would come next."""
        account, prices = self._node.solid_account(address), Prices.of(self._node)
        usdt_minor = usdt_of(self._node, address, self._token)
        if account is None:
            return Left(usdt_minor, 0, 0, 0, (), 0, 0, 0, 0, 0, 0)
        payer = Payer.look(self._node, address)
        assert history.playing is not None
        to = Address.from_base58(history.playing.address)
        size = transfer_bytes(TrxTransfer(address, to, max(1, payer.balance_sun)), name, solid)
        fee_sun = payer.bytes_cost_sun(size, prices.bandwidth_sun)
        if self._node.solid_account(to) is None:
            fee_sun = prices.activation_sun + prices.activation_bandwidth_sun
        lent = list(self._lent(address)) if account.delegated_energy_sun or account.delegated_bandwidth_sun else []
        delegated_sun = account.delegated_energy_sun + account.delegated_bandwidth_sun
        if account.other_stake_sun:
            stake = format_amount(account.other_stake_sun, "TRX")
            self._ring(
                address.base58,
                "wallet_cannot_be_emptied",
                f"{address} has {stake} TRX staked in a way that this program never stakes: take them back by hand",
            )
        return Left(
            usdt_minor=usdt_minor,
            balance_sun=payer.balance_sun,
            fee_sun=fee_sun,
            usdt_sun=0,
            lent=lent,
            locked_sun=delegated_sun - sum(each.stake_sun for each in lent) + account.other_stake_sun,
            energy_stake_sun=account.energy_stake_sun,
            bandwidth_stake_sun=account.bandwidth_stake_sun,
            unfreezing_sun=sum(each.amount_sun for each in account.unfreezing),
            withdrawable_sun=self._node.withdrawable_sun(address, solid.timestamp_ms, solid=True),
            unfreezes_left=self._node.unfreezes_left(address),
        )

    def _lent(self, address: Address) -> Iterator[Lent]:
        """What can be taken back now, where no sweep needs it: those take theirs back themselves."""
        now_ms = self._node.head().timestamp_ms
        busy = self._open.addresses
        for receiver in map(Address, self._node.delegation_index(address, solid=True).receivers):
            if receiver.base58 in busy:
                continue
            rows = self._node.delegations(address, receiver, solid=True)
            amounts: Sequence[tuple[Resource, int]] = (
                ("ENERGY", sum(it.energy_sun for it in rows if it.energy_locked_until_ms <= now_ms)),
                ("BANDWIDTH", sum(it.bandwidth_sun for it in rows if it.bandwidth_locked_until_ms <= now_ms)),
            )
            yield from (Lent(receiver.base58, sun, resource) for resource, sun in amounts if sun)

    def _is_worth(self, left: Left) -> bool:
        """Of what came to a retired wallet: as much as a deposit address must hold to be swept."""
        least_sun = self._rules.left_over_min_sun
        return left.usdt_minor >= self._rules.threshold_minor or 0 < least_sun <= left.balance_sun

    def _ring_paid(self, role: RotatedRole, address: str, left: Left) -> None:
        if left.is_nothing:
            self._rung.pop(address, None)
            self._paid.end(address)
            return
        usdt, trx = format_amount(left.usdt_minor, "USDT"), format_amount(left.balance_sun, "TRX")
        self._ring(
            address,
            "retired_wallet_paid",
            f"the retired {role} wallet {address} holds {usdt} USDT and {trx} TRX: tell whoever pays there the address of now"
            " (`counterfoil wallets list`). What is worth it is moved on by itself",
        )

    def _ring(self, address: str, name: str, sentence: str) -> None:
        """Once for each thing to say."""
        if self._rung.get(address) != sentence:
            self._rung[address] = sentence
            tell(self._alarm, name, address, sentence)


def transfer_bytes(intent: TrxTransfer, name: str, solid: BlockRef) -> int:
    """The bandwidth of an instruction's first attempt at it, to the byte: what burns for it must leave nothing behind."""
    lifetime_ms = InstructionRules().lifetime_ms  # as long a number as any
    envelope = envelope_for(UUID(name).bytes, 1, solid, chain_time_ms=solid.timestamp_ms, lifetime_ms=lifetime_ms)
    return bandwidth_bytes(build(intent, envelope))
