"""Pure: which deposit addresses are swept now, where to, what pays for it, and what it costs in TRX and USDT.

Cheapest first, at today's prices: what the address has itself; energy lent by the gas wallet's stake, which costs bytes
and, once in an address's life, its activation; TRX sent for what lacks, and no more (FAILURES 18).
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Self

import msgspec

from core.ledger.money import MAX_MINOR
from core.ports.chain import Chain
from core.streams.sweeps import Destination, Method
from core.tron.address import SUN_PER_TRX, Address
from core.tron.resources import stake_for
from signers.outgoing.needs import Need, Payer

TRX_TRANSFER_BYTES: Final = 270
DELEGATION_BYTES: Final = 284
"""Bandwidth of these transactions, their varints at their longest (TRON.md 6.2)."""

Verdict = Literal["sweep", "small", "dear", "limit", "short", "refused", "blacklisted"]


class SweepRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a sweep is worth it, and how many at once. Amounts in the token's minor units."""

    threshold_minor: int
    cost_max_percent: int
    """The most that a sweep may cost, as a share of what it moves."""
    trx_price_minor: int
    """What a TRX costs in the token's minor units, for that share."""
    amount_max_minor: int
    """Of one sweep: what lies above it is left for the next one."""
    open_max: int
    """Sweeps under way at the same time."""
    gas_daily_max_sun: int
    """TRX that sweeps may take from the gas wallet within 24 hours."""
    hot_floor_minor: int = 0
    hot_ceiling_minor: int = 0
    """The hot wallet is kept between the two; 0 for no ceiling."""
    margin_percent: int = 10
    left_over_min_sun: int = 0
    """TRX left on an address that are worth taking back when it has nothing to sweep; 0 leaves them."""
    to_cold: bool = False
    """Everything goes to cold storage."""

    def in_evacuation(self) -> Self:
        """All that is worth more than it burns, however much that takes from the gas wallet in a day."""
        return msgspec.structs.replace(
            self,
            threshold_minor=1,
            cost_max_percent=100,
            gas_daily_max_sun=MAX_MINOR,
            left_over_min_sun=0,
            to_cold=True,
        )


class Gas(msgspec.Struct):
    """What the gas wallet can still do: it shrinks as choices are made."""

    payer: Payer
    lendable_sun: int
    """Stake that can be delegated, for energy."""
    energy_limit: int
    energy_weight: int

    @classmethod
    def look(cls, node: Chain, address: Address, about_to_take: Sequence[tuple[int, int]]) -> Self:
        """What the chain says, less the (TRX, stake) that were promised and are not gone yet."""
        resources = node.resources(address)
        payer = Payer.of(node.account(address), node.solid_account(address), resources)
        promised_sun, promised_stake_sun = (sum(each) for each in zip((0, 0), *about_to_take, strict=True))
        return cls(
            msgspec.structs.replace(payer, balance_sun=payer.balance_sun - promised_sun),
            node.delegatable_sun(address, "ENERGY") - promised_stake_sun,
            resources.total_energy_limit,
            resources.total_energy_weight,
        )

    def spend_bytes(self, *sizes: int) -> int:
        """Take these transactions' bytes from stake or allowance; -> the bytes that have to be burned for."""
        burned = 0
        for size in sizes:
            payer = self.payer
            if size <= payer.staked_bytes:
                self.payer = msgspec.structs.replace(payer, staked_bytes=payer.staked_bytes - size)
            elif size <= payer.free_bytes:
                self.payer = msgspec.structs.replace(payer, free_bytes=payer.free_bytes - size)
            else:
                burned += size
        return burned

    def burned_for(self, *sizes: int) -> int:
        """The same, without taking them."""
        return msgspec.structs.replace(self).spend_bytes(*sizes)

    def spend_sun(self, amount_sun: int) -> None:
        self.payer = msgspec.structs.replace(self.payer, balance_sun=self.payer.balance_sun - amount_sun)


class Way(msgspec.Struct, frozen=True):
    """One way to pay for a sweep. `burned_sun` is gone in the end, `sent_sun` leaves the gas wallet for it, all included."""

    method: Method
    burned_sun: int
    sent_sun: int
    trx_sun: int = 0
    """TRX that go to the address first."""
    stake_sun: int = 0
    bytes: tuple[int, ...] = ()
    """Bandwidth of each of the gas wallet's transactions for it, that of its stake or allowance."""


class Choice(msgspec.Struct, frozen=True):
    """What is decided about an address. `cost_minor` is the cost in the token, for people and for the share."""

    address: Address
    amount_minor: int
    destination: Destination
    to: Address
    verdict: Verdict
    way: Way
    cost_minor: int


def ways(need: Need, gas: Gas) -> list[Way]:
    """Every way that is possible now, the cheapest first; what is possible without TRX may still lack them."""
    prices, found = need.prices, []
    if not need.short_sun:
        return [Way("own", burned_sun=need.burns_sun, sent_sun=0)]
    brought_sun, brought_bytes = _bringing(need, gas)
    found.append(
        Way(
            "fuel",
            burned_sun=brought_sun + need.burns_sun,
            sent_sun=brought_sun + need.short_sun,
            trx_sun=need.short_sun,
            bytes=brought_bytes,
        )
    )
    stake_sun = stake_for(need.energy_short, gas.energy_limit, gas.energy_weight) if gas.energy_limit else 0
    if 0 < stake_sun <= gas.lendable_sun:
        trx_sun = need.short_beside_energy_sun
        first_sun, first_bytes = (brought_sun, brought_bytes) if trx_sun else (0, ())
        sizes = (*first_bytes, DELEGATION_BYTES, DELEGATION_BYTES)
        lending_sun = (gas.burned_for(*sizes) - gas.burned_for(*first_bytes)) * prices.bandwidth_sun
        found.append(
            Way(
                "loan",
                burned_sun=first_sun + lending_sun + need.bytes_sun,
                sent_sun=first_sun + lending_sun + trx_sun,
                trx_sun=trx_sun,
                stake_sun=stake_sun,
                bytes=sizes,
            )
        )
    return sorted(found, key=lambda way: (way.burned_sun, way.method))


def _bringing(need: Need, gas: Gas) -> tuple[int, tuple[int, ...]]:
    """What a TRX transfer to the address burns, and the bytes that it takes of the gas wallet's stake or allowance."""
    prices = need.prices
    if need.payer.exists:
        return gas.burned_for(TRX_TRANSFER_BYTES) * prices.bandwidth_sun, (TRX_TRANSFER_BYTES,)
    if gas.payer.staked_bytes >= TRX_TRANSFER_BYTES:  # the free allowance never pays for an activation (TRON.md 6.2)
        return prices.activation_sun, (TRX_TRANSFER_BYTES,)
    return prices.activation_sun + prices.activation_bandwidth_sun, ()


class Planner:
    """Decides address by address, the richest first; each decision leaves less gas, less room, and a fuller hot wallet."""

    def __init__(
        self,
        rules: SweepRules,
        gas: Gas,
        wallets: Mapping[str, Address],
        hot_minor: int,
        *,
        open_now: int,
        spent_sun: int,
    ) -> None:
        """`hot_minor` is what the hot wallet holds, and what is on its way to it less what clients are to be paid.

        `spent_sun` is what sweeps took from the gas wallet within the last day.
        """
        self._rules = rules
        self._gas = gas
        self._wallets = wallets
        self._hot_minor = hot_minor
        self._open = open_now
        self._spent_sun = spent_sun

    @property
    def full(self) -> bool:
        return self._open >= self._rules.open_max

    def destination(self, amount_minor: int) -> tuple[Destination, Address]:
        """Hot below the floor and up to the ceiling, the rest to cold, where there is a cold wallet."""
        rules, cold = self._rules, self._wallets.get("cold")
        if rules.to_cold and cold is not None:
            return "cold", cold
        fits = not rules.hot_ceiling_minor or self._hot_minor + amount_minor <= rules.hot_ceiling_minor
        if cold is None or fits or self._hot_minor < rules.hot_floor_minor:
            return "hot", self._wallets["hot"]
        return "cold", cold

    def amount(self, held_minor: int) -> int:
        return min(held_minor, self._rules.amount_max_minor)

    def consider(
        self, address: Address, amount_minor: int, destination: Destination, to: Address, need: Need
    ) -> Choice:
        """Choose the way, and whether to go it. What is chosen is counted as done."""
        possible = ways(need, self._gas)
        way = possible[0]
        verdict = self._verdict(amount_minor, way)
        if verdict == "sweep":
            self._count(amount_minor, destination, way)
        return Choice(address, amount_minor, destination, to, verdict, way, self._in_token(way.burned_sun))

    def refused(
        self, address: Address, amount_minor: int, destination: Destination, to: Address, *, blacklisted: bool
    ) -> Choice:
        """The token would not let the coins go: nothing is burned trying (FAILURES 23)."""
        verdict: Verdict = "blacklisted" if blacklisted else "refused"
        return Choice(address, amount_minor, destination, to, verdict, Way("own", 0, 0), 0)

    def _verdict(self, amount_minor: int, way: Way) -> Verdict:
        rules = self._rules
        if amount_minor < rules.threshold_minor:
            return "small"
        if self._in_token(way.burned_sun) * 100 > amount_minor * rules.cost_max_percent:
            return "dear"
        if self.full or self._spent_sun + way.sent_sun > rules.gas_daily_max_sun:
            return "limit"
        return "short" if way.sent_sun > self._gas.payer.balance_sun else "sweep"

    def _count(self, amount_minor: int, destination: Destination, way: Way) -> None:
        self._open += 1
        self._spent_sun += way.sent_sun
        self._gas.spend_sun(way.sent_sun)
        self._gas.spend_bytes(*way.bytes)
        self._gas.lendable_sun -= way.stake_sun
        if destination == "hot":
            self._hot_minor += amount_minor

    def _in_token(self, amount_sun: int) -> int:
        return in_token(amount_sun, self._rules.trx_price_minor)


def excess_minor(rules: SweepRules, hot_minor: int, needed_minor: int) -> int:
    """What goes from the hot wallet to cold storage: all above the middle of floor and ceiling, once it is above the ceiling.

    `needed_minor`, what payouts and instructions that are under way take, is no excess. 0 where there is none, or no ceiling.
    """
    free_minor = hot_minor - needed_minor
    if not rules.hot_ceiling_minor or free_minor <= rules.hot_ceiling_minor:
        return 0
    return free_minor - (rules.hot_floor_minor + rules.hot_ceiling_minor) // 2


def in_token(amount_sun: int, trx_price_minor: int) -> int:
    """What TRX are worth in the token's minor units, rounded up."""
    return -(-amount_sun * trx_price_minor // SUN_PER_TRX)
