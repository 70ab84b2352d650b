"""Which sweeps begin now: the holdings say where to look, the chain what is there, worth.py whether it is worth it.

The sweeps' step begins what this finds; `counterfoil sweeps plan` only shows it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from core.ledger.ledger import Command, EventStore
from core.ports.chain import CallNotMade, Chain
from core.ports.wallets import Holding, Holdings
from core.streams.instructions import (
    GiveInstruction,
    Instruction,
    Purpose,
    SendToken,
)
from core.streams.quarantine import QuarantineAddress
from core.streams.sweeps import PlanSweep, SweepOrder, sweep_id
from core.streams.treasury import Wallet, wallet_stream
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.numbered import Numbered
from signers.outgoing.funds import Prices, usdt_of
from signers.outgoing.hot_wallet import KEPT_MINOR
from signers.outgoing.instructions import ACTOR
from signers.outgoing.needs import Payer, is_blacklisted, need_of
from signers.outgoing.trials import TokenRefuses
from signers.sweeps.open_sweeps import OpenSweeps
from signers.sweeps.worth import TRX_TRANSFER_BYTES, Choice, Gas, Planner, SweepRules, excess_minor

log = logging.getLogger(__name__)

BLACKLISTED: Final = "the token says so"
LOOKS_MAX: Final = 200
"""Addresses that one plan asks the node about."""


def wallets_of(store: EventStore) -> Mapping[str, Address]:
    """The registered wallets by role."""
    found = {}
    for role in ("hot", "cold", "gas"):
        state = Wallet()
        for recorded in store.histories([wallet_stream(role)]).get(wallet_stream(role), ()):
            state = state.evolve(recorded.event)
        if state.registered is not None:
            found[role] = Address.from_base58(state.registered.address)
    return found


class Plan:
    """One look at the holdings and the chain."""

    def __init__(
        self,
        store: EventStore,
        node: Chain,
        holdings: Holdings,
        under_way: OpenSweeps,
        gas: Address,
        token: Address,
        rules: SweepRules,
        *,
        evacuating: bool = False,
        former: Sequence[Address] = (),
    ) -> None:
        """`former` are the hot wallets that were replaced."""
        self._store = store
        self._node = node
        self._holdings = holdings
        self._open = under_way
        self._gas = gas
        self._token = token
        self._rules = rules
        self._evacuating = evacuating
        self._former = former

    def commands(self, head: BlockRef, solid: BlockRef) -> list[Command]:
        """What begins the sweeps that are worth it, and takes left-over TRX back."""
        wallets = self.wallets()
        if "hot" not in wallets:
            return []
        chosen: list[Command] = []
        room = self._rules.open_max - len(self._open)
        for holding, choice in self.choices(head, wallets):
            if choice.verdict == "sweep":
                chosen.append(PlanSweep(_order(holding, choice, solid), ACTOR))
                room -= 1
            elif choice.verdict == "blacklisted":
                chosen.append(QuarantineAddress(holding.address, "blacklisted", BLACKLISTED, ACTOR))
        return [*chosen, *self._left_over(solid, room), *self._excess(solid, wallets)]

    def wallets(self) -> Mapping[str, Address]:
        """The registered wallets by role."""
        return wallets_of(self._store)

    def choices(self, head: BlockRef, wallets: Mapping[str, Address]) -> Iterator[tuple[Holding, Choice]]:
        """Every address that may be worth it, with what is decided about it; the richest first."""
        planner, prices = self._planner(head, wallets), Prices.of(self._node)
        busy = self._open.addresses
        for holding in self._holdings.richest(self._rules.threshold_minor, LOOKS_MAX + len(busy)):
            if holding.address in busy or planner.full:
                continue
            try:
                choice = self._choice(planner, prices, Address.from_base58(holding.address))
            except CallNotMade as error:  # this one waits, the others are planned
                log.info("%s is looked at again in the next plan: %s", holding.address, error)
                continue
            yield holding, choice

    def _choice(self, planner: Planner, prices: Prices, owner: Address) -> Choice:
        """Raises CallNotMade."""
        amount = planner.amount(usdt_of(self._node, owner, self._token))
        destination, to = planner.destination(amount)
        try:
            margin_percent, to_hot = self._rules.margin_percent, destination == "hot"
            need = need_of(self._node, prices, owner, self._token, to, amount, margin_percent, to_hot=to_hot)
        except TokenRefuses:
            blacklisted = is_blacklisted(self._node, self._token, owner)
            return planner.refused(owner, amount, destination, to, blacklisted=blacklisted)
        return planner.consider(owner, amount, destination, to, need)

    def _planner(self, head: BlockRef, wallets: Mapping[str, Address]) -> Planner:
        hot_minor = usdt_of(self._node, wallets["hot"], self._token)
        return Planner(
            self._rules,
            Gas.look(self._node, self._gas, list(self._open.about_to_take())),
            wallets,
            hot_minor + self._open.under_way_minor("hot") - self._open.owed_minor - self._open.leaving_minor,
            open_now=len(self._open),
            spent_sun=self._open.spent_sun(head),
        )

    def excess(self, wallets: Mapping[str, Address]) -> int:
        """USDT that the hot wallet has above its ceiling and nobody waits for; 0 without a cold wallet, or while some leave.

        In an evacuation all that no bytes promise to anybody.
        """
        if "cold" not in wallets or self._open.leaving_minor:
            return 0
        if not self._rules.hot_ceiling_minor and not self._evacuating:
            return 0
        hot_minor = usdt_of(self._node, wallets["hot"], self._token)
        if self._evacuating:
            return max(0, hot_minor - KEPT_MINOR - self._open.promised_minor)
        return excess_minor(self._rules, hot_minor, self._open.owed_minor)

    def _excess(self, solid: BlockRef, wallets: Mapping[str, Address]) -> Iterator[GiveInstruction]:
        """The hot wallet's excess goes to cold storage, one transfer at a time: what is under way is not in it twice.

        In an evacuation what another wallet has replaced still holds, too.
        """
        yield from self._leaving(solid, wallets["hot"], wallets, lambda: self.excess(wallets))
        for former in self._former if self._evacuating and "cold" in wallets else ():
            yield from self._leaving(solid, former, wallets, partial(self._left_at, former))

    def _left_at(self, former: Address) -> int:
        return max(0, usdt_of(self._node, former, self._token) - self._open.promised_by(former.base58))

    def _leaving(
        self, solid: BlockRef, hot: Address, wallets: Mapping[str, Address], excess: Callable[[], int]
    ) -> Iterator[GiveInstruction]:
        if not excess():
            return
        purpose: Purpose = "evacuation" if self._evacuating else "excess"
        numbered = Numbered(self._store, hot.base58, purpose)
        number = numbered.given()
        if number and not numbered.is_behind(number, solid):
            return
        amount_minor = excess()  # once more, now that the last one is known to be over
        if amount_minor:
            act = SendToken(wallets["cold"].base58, amount_minor)
            yield GiveInstruction(Instruction(numbered.id(number + 1), purpose, "", hot.base58, "hot", act), ACTOR)

    def _left_over(self, solid: BlockRef, room: int) -> Iterator[PlanSweep]:
        """TRX on addresses that have nothing to sweep, where the free allowance pays for taking them back."""
        rules, busy = self._rules, self._open.addresses
        if not rules.left_over_min_sun or room <= 0:
            return
        for holding in self._holdings.left_over(rules.left_over_min_sun, rules.threshold_minor, room + len(busy)):
            owner = Address.from_base58(holding.address)
            payer = Payer.look(self._node, owner)
            if holding.address in busy or payer.bytes_cost_sun(TRX_TRANSFER_BYTES, 1):
                continue
            if payer.balance_sun >= rules.left_over_min_sun:
                number = holding.sweeps + 1
                name = sweep_id(holding.address, number)
                where = ("gas", self._gas.base58, "own", 0, solid.number)
                order = SweepOrder(name, holding.address, number, "TRX", payer.balance_sun, *where)  # type: ignore[arg-type]
                yield PlanSweep(order, ACTOR)


def _order(holding: Holding, choice: Choice, solid: BlockRef) -> SweepOrder:
    number = holding.sweeps + 1
    return SweepOrder(
        sweep_id=sweep_id(holding.address, number),
        address=holding.address,
        number=number,
        currency="USDT",
        amount_minor=choice.amount_minor,
        destination=choice.destination,
        to=choice.to.base58,
        method=choice.way.method,
        cost_sun=choice.way.burned_sun,
        block_number=solid.number,
    )
