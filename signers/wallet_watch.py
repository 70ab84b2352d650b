"""Step: look at the system wallets, keep what the chain says of them, and ring when one falls below its floor."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from core.ledger.ledger import EventStore, state_of
from core.ledger.money import format_amount
from core.ports.alarm import Alarm, Condition
from core.ports.chain import Chain
from core.streams.treasury import Role, wallet_stream
from core.streams.wallet.rotation import NOBODY, ROTATED_ROLES
from core.streams.wallet_numbers import Floors, WalletBoard, WalletNumbers
from core.tron.address import Address
from core.tron.chain import BlockRef
from core.tron.resources import units_of
from signers.outgoing.funds import usdt_of
from signers.sweeps.plan import wallets_of

EVERY: Final = timedelta(seconds=30)
WALLETS: Final = ("hot", "gas", "cold")


class WalletWatch:
    """`floors` are of the wallets that have any. An alarm rings once, and again when the wallet was above in between."""

    def __init__(
        self,
        store: EventStore,
        node: Chain,
        board: WalletBoard,
        token: Address,
        floors: Mapping[Role, Floors],
        clock: Callable[[], datetime],
        *,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._node = node
        self._board = board
        self._token = token
        self._floors = floors
        self._clock = clock
        self._shortages = {name: Condition(alarm, name) for role in WALLETS for name in shortage_names(role)}
        self._next: datetime | None = None
        self._shows_former = True
        """The board may show a wallet that was replaced, as far as this process knows."""

    def step(self) -> bool:
        """A look every 30 seconds; never anything that others wait for, so it is never busy. Raises Unavailable."""
        now = self._clock()
        if self._next is not None and now < self._next:
            return False
        solid = self._node.solid()
        numbers = [self._look(role, address, solid) for role, address in wallets_of(self._store).items()]  # type: ignore[arg-type]
        self._board.put(numbers)
        self._look_at_former(solid)
        below = {name: sentence for each in numbers for name, sentence in shortages(each)}
        for name, shortage in self._shortages.items():
            shortage.stand({"": below[name]} if name in below else {})
        self._next = now + EVERY
        return False

    def _look_at_former(self, solid: BlockRef) -> None:
        """What is left of a wallet that is being emptied; once more when it is retired, to take it off."""
        known = {role: state_of(self._store, wallet_stream(role), NOBODY) for role in ROTATED_ROLES}
        begun = [(role, each.begun.from_address) for role, each in known.items() if each.begun is not None]
        if begun or self._shows_former:
            numbers = [self._look(role, Address.from_base58(address), solid) for role, address in begun]
            self._board.put_former(numbers)
            self._shows_former = bool(numbers)

    def _look(self, role: Role, address: Address, solid: BlockRef) -> WalletNumbers:
        account, resources = self._node.solid_account(address), self._node.resources(address)
        lendable_sun = self._node.delegatable_sun(address, "ENERGY") if account is not None else 0
        floors = self._floors.get(role, Floors())
        return WalletNumbers(
            role=role,
            address=address.base58,
            block_number=solid.number,
            block_timestamp_ms=solid.timestamp_ms,
            usdt_minor=usdt_of(self._node, address, self._token),
            trx_sun=account.balance_sun if account else 0,
            energy_left=resources.energy_left,
            energy_limit=resources.energy_limit,
            energy_lendable=units_of(lendable_sun, resources.total_energy_limit, resources.total_energy_weight),
            bandwidth_left=resources.net_left + resources.free_net_left,
            bandwidth_limit=resources.net_limit + resources.free_net_limit,
            staked_sun=account.staked_sun if account else 0,
            delegated_sun=account.delegated_energy_sun + account.delegated_bandwidth_sun if account else 0,
            unfreezing_sun=sum(each.amount_sun for each in account.unfreezing) if account else 0,
            usdt_floor_minor=floors.usdt_minor,
            trx_floor_sun=floors.trx_sun,
            energy_floor=floors.energy,
        )


def shortage_names(role: str) -> tuple[str, str, str]:
    """The alarms of a wallet's floors: USDT, TRX, energy."""
    return f"{role}_wallet_below_floor", f"{role}_wallet_low_on_trx", f"{role}_wallet_low_on_energy"


def shortages(of: WalletNumbers) -> Iterator[tuple[str, str]]:
    """(the alarm's name, its sentence) for each floor that the wallet is below."""
    if of.usdt_minor < of.usdt_floor_minor:
        has, floor = format_amount(of.usdt_minor, "USDT"), format_amount(of.usdt_floor_minor, "USDT")
        yield f"{of.role}_wallet_below_floor", f"the {of.role} wallet {of.address} has {has} USDT, its floor is {floor}"
    if of.trx_sun < of.trx_floor_sun:
        has, floor = format_amount(of.trx_sun, "TRX"), format_amount(of.trx_floor_sun, "TRX")
        yield f"{of.role}_wallet_low_on_trx", f"the {of.role} wallet {of.address} has {has} TRX, its floor is {floor}"
    if of.energy_lendable < of.energy_floor:
        yield (
            f"{of.role}_wallet_low_on_energy",
            f"the {of.role} wallet {of.address} can lend {of.energy_lendable} energy, its floor is {of.energy_floor}",
        )
