"""Step: sweep deposit addresses. Plan on a schedule, then bring every open sweep one instruction further.

    planned  -> fuelling   what its transfer lacks is brought: TRX, an account, or energy lent by the gas wallet's stake
             -> fuelled    nothing lacks at the prices of now: the transfer is instructed
             -> confirmed  its instruction was; or failed, or deferred when it is not worth it, or impossible, any more
             -> released   what was lent is back, whatever became of the transfer

What a sweep needs is looked at anew before each instruction, on the node that will take it; a price that changed in
between means more fuel, or that the sweep is put off. All that is durable is in the history, and stake that is lent is read
from the chain: a crash between any two lines is a restart.
"""

import logging
from collections.abc import Sequence
from itertools import islice
from typing import Final

from core.ledger.journal import derived_id
from core.ledger.ledger import Command, EventStore, Ledger, state_of
from core.ledger.money import in_its_unit
from core.ports.alarm import Alarm, Condition, LongRefusals
from core.ports.bookmarks import Bookmarks
from core.ports.chain import CallNotMade, Chain
from core.ports.wallets import AddressPool, Holdings
from core.streams.instructions import (
    Act,
    Delegate,
    GiveInstruction,
    Instruction,
    InstructionConfirmed,
    InstructionFailed,
    InstructionState,
    InstructionWithdrawn,
    Purpose,
    SendToken,
    SendTrx,
    Undelegate,
    Wallet,
)
from core.streams.quarantine import QuarantineAddress, ReleaseAddress
from core.streams.signing import SIGNING, Cause, Signing
from core.streams.sweeps import (
    FINAL,
    ConfirmSweep,
    DeferSweep,
    FailSweep,
    FuelSweep,
    ReleaseSweep,
    SendSweep,
    next_instruction_id,
)
from core.streams.treasury import HOT_WALLET, wallet_stream
from core.streams.wallet.rotation import NOBODY
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.outcomes import append
from signers.outgoing.funds import Prices, usdt_of
from signers.outgoing.instructions import ACTOR
from signers.outgoing.needs import Need, Payer, is_blacklisted, need_of
from signers.outgoing.trials import TokenRefuses
from signers.sweeps.open_sweeps import OpenSweep, OpenSweeps
from signers.sweeps.plan import BLACKLISTED, Plan
from signers.sweeps.worth import TRX_TRANSFER_BYTES, Gas, SweepRules, Way, in_token, ways
from signers.transactions.build import FeeAboveCeiling

log = logging.getLogger(__name__)

BATCH: Final = 50
"""Sweeps per step: one append for all of them, and a step stays short."""
GIVEN_MAX: Final = 8
"""Instructions of one sweep; what still lacks something then is put off."""
LOOK_AGAIN_BLOCKS: Final = 5
EVACUATION_MS: Final = 6_000
"""Chain time between two plans while everything goes to cold storage."""
RECONCILE_MS: Final = 3_600_000
"""Chain time between two looks at all the stake that is lent."""


class Sweeps:
    """`gas` is the gas wallet, whose stake and TRX pay; `holdings` says where to look for coins, the chain what is there."""

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        bookmarks: Bookmarks,
        node: Chain,
        pool: AddressPool,
        holdings: Holdings,
        gas: Address,
        token: Address,
        rules: SweepRules,
        *,
        fee_limit_sun_max: int,
        interval_ms: int,
        alarm: Alarm,
    ) -> None:
        """`interval_ms` of chain time lies between two plans; 0: sweeps are planned by hand only."""
        self._ledger = ledger
        self._store = store
        self._node = node
        self._pool = pool
        self._holdings = holdings
        self._gas_address = gas
        self._lenders: Sequence[Address] = (gas,)
        """The gas wallet, and those that it has replaced: stake that they lent comes back to them."""
        self._token = token
        self._usual_rules = rules
        self._evacuating = False
        self._fee_limit_sun_max = fee_limit_sun_max
        self._interval_ms = interval_ms
        self._alarm = alarm
        self._short = Condition(alarm, "gas_wallet_short")
        self._refusals = LongRefusals(alarm)
        self._now_ms = 0
        """The chain time of this step."""
        self._open = OpenSweeps(store, bookmarks)
        self._planned_ms = 0
        """The chain time of the last plan."""
        self._reconcile_at_ms = 0
        self._gas: Gas | None = None
        self._prices: Prices | None = None

    def step(self) -> bool:
        """One instruction further for up to BATCH sweeps; False when there is nothing to do but wait."""
        read = self._open.read_on()
        if self._open.behind:
            return True  # what is open must be known before anything is begun
        solid, head = self._node.solid(), self._node.head()
        self._gas = self._prices = None
        self._follow_rotation()
        causes = self._causes()
        self._evacuating = "evacuation" in causes
        self._now_ms = head.timestamp_ms
        commands = self._advance(solid)
        lacking = {
            it.order.address: f"the sweep of {it.order.address} waits: {it.lacks}" for it in self._open if it.lacks
        }
        self._short.stand(lacking)
        if head.timestamp_ms >= self._reconcile_at_ms:
            commands += self._reconcile(solid)
            self._reconcile_at_ms = head.timestamp_ms + RECONCILE_MS
        done = append(self._ledger, commands)
        if done:
            self._open.read_on()  # what is taken back is known before anything is planned
        planned = 0
        interval_ms = EVACUATION_MS if self._evacuating else 0 if causes else self._interval_ms
        if interval_ms and head.timestamp_ms >= self._planned_ms + interval_ms:
            self._planned_ms = head.timestamp_ms
            planned = append(self._ledger, self._planning().commands(head, solid))
            if self._open.kept_back:
                self._alarm("excess_kept_back", f"the hot wallet's excess did not leave it: {self._open.kept_back}")
                self._open.kept_back = None
        return bool(read or done or planned)

    @property
    def under_way(self) -> OpenSweeps:
        """What is open, as far as this worker has read."""
        return self._open

    def _follow_rotation(self) -> None:
        gas = state_of(self._store, wallet_stream("gas"), NOBODY)
        if gas.playing is not None:
            self._gas_address = Address.from_base58(gas.playing.address)
            self._lenders = (self._gas_address, *map(Address.from_base58, gas.former))

    def _causes(self) -> Sequence[Cause]:
        """While signing is stopped nothing new is begun: the token may be paused, and every trial revert.

        But an evacuation begins at once, whatever else holds: richest first, at any cost below what is moved.
        """
        return state_of(self._store, SIGNING, Signing()).causes

    @property
    def _rules(self) -> SweepRules:
        return self._usual_rules.in_evacuation() if self._evacuating else self._usual_rules

    def _planning(self) -> Plan:
        return Plan(
            self._store,
            self._node,
            self._holdings,
            self._open,
            self._gas_address,
            self._token,
            self._rules,
            evacuating=self._evacuating,
            former=self._former_hot(),
        )

    def _former_hot(self) -> Sequence[Address]:
        """Hot wallets that were replaced: an evacuation takes from them, too."""
        if not self._evacuating:
            return ()
        return [Address.from_base58(it) for it in state_of(self._store, HOT_WALLET, NOBODY).former]

    # One sweep further

    def _advance(self, solid: BlockRef) -> list[Command]:
        commands: list[Command] = []
        due = (it for it in self._open if it.news or it.look_at <= solid.number)
        for it in list(islice(due, BATCH)):
            it.news, it.look_at = False, solid.number + LOOK_AGAIN_BLOCKS
            last = it.last
            if last is not None and not last.over:
                continue  # its end is news
            it.lacks = ""
            try:
                commands += self._take_back(it, solid) if it.sweep.state in FINAL else self._go_on(it, last, solid)
            except CallNotMade as error:  # this one waits, the others go on
                log.info("the sweep of %s waits: %s", it.order.address, error)
                it.look_at = solid.number + 1
                self._tried(it, str(error))
        return commands

    def _tried(self, it: OpenSweep, refusal: str) -> None:
        address = it.order.address
        said = f"the sweep of {address} is refused, and tried again: {refusal}"
        self._refusals.refused(f"sweep of {address}", said, self._now_ms)

    def _go_on(self, it: OpenSweep, last: InstructionState | None, solid: BlockRef) -> Sequence[Command]:
        """What comes next, nothing while the node has not come as far as what was done last."""
        end = last.end if last is not None else None
        match end:
            case InstructionConfirmed() if it.sweep.state == "fuelled":
                return [ConfirmSweep(it.order, self._last_id(it), ACTOR)]
            case InstructionFailed() if it.sweep.state == "fuelled":
                return self._failed(it, end)
            case InstructionFailed():
                return [self._defer(it, f"what was to fuel it failed: {end.failure_code}")]
            case InstructionConfirmed() if end.block_number > solid.number:
                return []
            case InstructionWithdrawn():
                it.said = end.reason
        if len(it.sweep.given) >= GIVEN_MAX:
            return [self._defer(it, it.said or "it never had what its transfer needs")]
        return self._trx(it) if it.order.currency == "TRX" else self._usdt(it)

    def _usdt(self, it: OpenSweep) -> Sequence[Command]:
        """Send it if nothing lacks, else bring what does."""
        order = it.order
        if self._evacuating and order.destination != "cold":
            return [self._defer(it, "everything goes to cold storage")]
        owner, to = Address.from_base58(order.address), Address.from_base58(order.to)
        amount = min(usdt_of(self._node, owner, self._token), self._rules.amount_max_minor)
        if not amount:
            return [self._defer(it, "nothing is there any more")]
        try:
            margin_percent, to_hot = self._rules.margin_percent, order.destination == "hot"
            need = need_of(self._node, self._now(), owner, self._token, to, amount, margin_percent, to_hot=to_hot)
            need.fee_limit_sun(self._fee_limit_sun_max)
        except TokenRefuses as refusal:
            return self._refused(it, owner, str(refusal))
        except FeeAboveCeiling as error:
            return [self._defer(it, f"the fee ceiling is too low: {error}")]
        if not need.short_sun:
            transfer = self._step(it, "sweep", "payin", owner, SendToken(order.to, amount))
            self._refusals.over(f"sweep of {order.address}")
            return [SendSweep(order, self._last_id(it), ACTOR, transfer, needed_energy=need.energy)]
        return self._fuel(it, need, amount)

    def _fuel(self, it: OpenSweep, need: Need, amount_minor: int) -> Sequence[Command]:
        """The cheapest way at the prices of now, if it is still worth it."""
        gas = self._gas_now()
        way = ways(need, gas)[0]
        cost_minor = in_token(way.burned_sun, self._rules.trx_price_minor)
        if cost_minor * 100 > amount_minor * self._rules.cost_max_percent:
            burned, moved = in_its_unit(way.burned_sun, "TRX"), in_its_unit(amount_minor, "USDT")
            return [self._defer(it, f"it would burn {burned}, too much for {moved}")]
        if way.sent_sun > gas.payer.balance_sun:
            lacks = in_its_unit(way.sent_sun - gas.payer.balance_sun, "TRX")
            self._say(it, f"the gas wallet {self._gas_address} lacks {lacks}")
            return []
        act = self._act_of(it, need, way)
        gas.spend_sun(act.amount_sun if isinstance(act, SendTrx) else 0)
        gas.lendable_sun -= act.stake_sun if isinstance(act, Delegate) else 0
        gas.spend_bytes(TRX_TRANSFER_BYTES)
        purpose: Purpose = "loan" if isinstance(act, Delegate) else "fuel"
        instruction = self._step(it, purpose, "gas", self._gas_address, act)
        return [FuelSweep(it.order, self._last_id(it), ACTOR, instruction)]

    @staticmethod
    def _act_of(it: OpenSweep, need: Need, way: Way) -> SendTrx | Delegate:
        """TRX first, also where energy is lent: without an account nothing can be."""
        if way.method == "loan" and not need.short_beside_energy_sun:
            return Delegate(it.order.address, way.stake_sun, "ENERGY")
        return SendTrx(it.order.address, way.trx_sun)

    def _trx(self, it: OpenSweep) -> Sequence[Command]:
        """TRX that were left over go back to the gas wallet, if its bytes cost nothing."""
        if self._evacuating:
            return [self._defer(it, "everything goes to cold storage")]
        owner = Address.from_base58(it.order.address)
        payer = Payer.look(self._node, owner)
        if payer.bytes_cost_sun(TRX_TRANSFER_BYTES, 1) or not payer.balance_sun:
            return [self._defer(it, "taking it back would cost something, or nothing is there")]
        transfer = self._step(it, "sweep", "payin", owner, SendTrx(it.order.to, payer.balance_sun))
        return [SendSweep(it.order, self._last_id(it), ACTOR, transfer, needed_energy=0)]

    def _failed(self, it: OpenSweep, end: InstructionFailed) -> Sequence[Command]:
        """Mined and without effect: nothing like that is tried again before somebody knows why."""
        self._alarm("sweep_failed", f"the sweep of {it.order.address} failed: {end.failure_code} in {end.txid}")
        failed = FailSweep(it.order, self._last_id(it), ACTOR, failure_code=end.failure_code, txid=end.txid)
        if end.failure_code != "reverted":
            return [failed]
        owner = Address.from_base58(it.order.address)
        if is_blacklisted(self._node, self._token, owner):
            return [failed, QuarantineAddress(owner.base58, "blacklisted", BLACKLISTED, ACTOR)]
        return [failed, QuarantineAddress(owner.base58, "reverts", end.txid, ACTOR)]

    def _refused(self, it: OpenSweep, owner: Address, said: str) -> Sequence[Command]:
        """The trial reverts: nothing is burned on it (FAILURES 23)."""
        self._tried(it, said)
        if not is_blacklisted(self._node, self._token, owner):
            return [self._defer(it, f"the token refuses the transfer now: {said}")]
        self._alarm("address_quarantined", f"{owner} is blacklisted: its coins cannot be moved")
        deferred = self._defer(it, "the address is blacklisted")
        return [deferred, QuarantineAddress(owner.base58, "blacklisted", BLACKLISTED, ACTOR)]

    # Stake that is lent

    def _take_back(self, it: OpenSweep, solid: BlockRef) -> Sequence[Command]:
        """Give what the chain says is still lent back to its owner; nothing lent, and nothing under way, is the end of it."""
        if any(not known.over for known in it.returns):
            return []
        receiver = Address.from_base58(it.order.address)
        ends = [known.end for known in it.given.values() if isinstance(known.end, InstructionConfirmed)]
        if any(end.block_number > solid.number for end in ends):
            return []  # the node lags behind what it should know
        lent = [(lender, *self._lent_sun(lender, receiver)) for lender in self._lenders]
        for lender, now_sun, _ in lent:
            if now_sun:
                key = str(derived_id("instruction", it.order.sweep_id, f"return {len(it.returns) + 1}"))
                return [GiveInstruction(self._return(key, it.order.stream, lender, receiver, now_sun), ACTOR)]
        return [] if any(solid_sun for *_, solid_sun in lent) else [ReleaseSweep(it.order, None, ACTOR)]

    def _reconcile(self, solid: BlockRef) -> list[Command]:
        """Stake that the chain has lent to deposit addresses and no open sweep needs is taken back (FAILURES 19)."""
        commands: list[Command] = []
        for lender in self._lenders:
            receivers = [Address(each) for each in self._node.delegation_index(lender, solid=True).receivers]
            ours = self._pool.ours([receiver.evm for receiver in receivers])
            for receiver in receivers:
                known = receiver.base58 in self._open.addresses
                if ours.get(receiver.evm) != "payin" or known or not (lent_sun := self._lent_sun(lender, receiver)[0]):
                    continue
                self._alarm(
                    "stake_leaked",
                    f"{receiver} holds {in_its_unit(lent_sun, 'TRX')} of stake that no sweep needs: taken back",
                )
                key = str(derived_id("instruction", receiver.base58, f"leak {solid.number}"))
                commands.append(GiveInstruction(self._return(key, "", lender, receiver, lent_sun), ACTOR))
        return [*commands, *self._cleared()]

    def _cleared(self) -> list[Command]:
        """Addresses that the issuer has taken off its blacklist are swept again."""
        commands: list[Command] = []
        for address in self._holdings.set_aside():
            try:
                if not is_blacklisted(self._node, self._token, Address.from_base58(address)):
                    commands.append(ReleaseAddress(address, "the token has cleared it", ACTOR))
            except CallNotMade as error:
                log.info("whether %s is cleared is asked again later: %s", address, error)
        return commands

    def _lent_sun(self, lender: Address, receiver: Address) -> tuple[int, int]:
        """What can be taken back of what is lent: at the head, and where blocks are solid."""
        now_ms = self._node.head().timestamp_ms
        now, solid = (
            sum(
                each.energy_sun
                for each in self._node.delegations(lender, receiver, solid=solid)
                if each.energy_locked_until_ms <= now_ms
            )
            for solid in (False, True)
        )
        return now, solid

    @staticmethod
    def _return(key: str, serves: str, lender: Address, receiver: Address, lent_sun: int) -> Instruction:
        act = Undelegate(receiver.base58, lent_sun, "ENERGY")
        return Instruction(key, "loan_return", serves, lender.base58, "gas", act)

    # What all of it needs

    def _step(self, it: OpenSweep, purpose: Purpose, wallet: Wallet, owner: Address, act: Act) -> Instruction:
        key = next_instruction_id(it.order.sweep_id, len(it.sweep.given))
        return Instruction(key, purpose, it.order.stream, owner.base58, wallet, act)

    @staticmethod
    def _last_id(it: OpenSweep) -> str | None:
        return it.sweep.given[-1] if it.sweep.given else None

    def _defer(self, it: OpenSweep, reason: str) -> Command:
        return DeferSweep(it.order, self._last_id(it), ACTOR, reason=reason)

    def _now(self) -> Prices:
        if self._prices is None:
            self._prices = Prices.of(self._node)
        return self._prices

    def _gas_now(self) -> Gas:
        """What the gas wallet can do in this step, less what was given and is not done."""
        if self._gas is None:
            self._gas = Gas.look(self._node, self._gas_address, list(self._open.about_to_take()))
        return self._gas

    def _say(self, it: OpenSweep, reason: str) -> None:
        if it.said != reason:
            log.warning("the sweep of %s waits: %s", it.order.address, reason)
        it.said = it.lacks = reason
