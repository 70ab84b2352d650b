"""What a wallet of ours can still spend. Tron has no nonce: every signed transaction executes if the balance allows.

So what attempts in flight may still take is set aside before the next one is built, in coins, energy and bandwidth alike
(TRON.md 12.43).
"""

from collections.abc import Iterable
from typing import Self

import msgspec

from core.ledger.money import format_amount
from core.ports.chain import Node
from core.ports.unavailable import Unavailable
from core.streams.attempts import Attempt
from core.tron.address import Address
from core.tron.chain import AccountResources
from signers.transactions.abi import balance_of_call, read_uint256
from signers.transactions.build import FreezeBalance, Intent, Trc20Transfer, TrxTransfer, bandwidth_bytes, burn_sun

InFlight = Iterable[tuple[Intent, Attempt]]


class Shortage(Exception):
    """The wallet cannot make this transaction now; the text says what it lacks: TRX or energy, where nothing else is said."""


class CoinsShort(Shortage):
    """It lacks USDT."""


class TransferRefused(Shortage):
    """The token would revert this transfer now."""


class Prices(msgspec.Struct, frozen=True):
    """What the chain charges now, in sun."""

    energy_sun: int
    bandwidth_sun: int
    activation_sun: int
    """For an account that did not exist, in the contract."""
    activation_bandwidth_sun: int
    """Instead of its bytes, where no stake covers them."""
    factor_max: int
    """The most that a contract's energy factor can become, in 1/10000."""
    multi_sign_sun: int = 1_000_000
    """For a transaction with more than one signature."""

    @classmethod
    def of(cls, node: Node) -> Self:
        known = node.chain_parameters()
        return cls(
            known["getEnergyFee"],
            known["getTransactionFee"],
            known["getCreateNewAccountFeeInSystemContract"],
            known["getCreateAccountFee"],
            known["getDynamicEnergyMaxFactor"],
            known.get("getMultiSignFee", 1_000_000),
        )


class Funds(msgspec.Struct):
    """What is left of a wallet: solid USDT and TRX, its energy now, and what was set aside of them."""

    usdt_minor: int
    balance_sun: int
    resources: AccountResources
    prices: Prices
    energy: int = 0
    bandwidth: int = 0
    kept_minor: int = 0
    """USDT that stay: a wallet emptied to nothing makes the next transfer into it twice as dear (TRON.md 12.36)."""

    @classmethod
    def look(
        cls, node: Node, address: Address, token: Address, prices: Prices, in_flight: InFlight, *, kept_minor: int = 0
    ) -> Self:
        """Read the funds, less what attempts in flight may take. Coins count once they are solid."""
        account = node.solid_account(address)
        funds = cls(
            usdt_minor=usdt_of(node, address, token),
            balance_sun=account.balance_sun if account else 0,
            resources=node.resources(address),
            prices=prices,
            kept_minor=kept_minor,
        )
        for intent, attempt in in_flight:
            size = bandwidth_bytes(bytes.fromhex(attempt.raw_data))
            funds.set_aside(intent, attempt.fee_limit_sun, size, activates=isinstance(intent, TrxTransfer))
        return funds

    def set_aside(self, intent: Intent, fee_limit_sun: int, bandwidth: int, *, activates: bool = False) -> None:
        """Count a transaction as made. Its fee limit bounds its energy."""
        match intent:
            case Trc20Transfer(amount=amount):
                self.usdt_minor -= amount
            case TrxTransfer(amount_sun=amount_sun) | FreezeBalance(amount_sun=amount_sun):
                self.balance_sun -= amount_sun
        if activates:
            self.balance_sun -= self.prices.activation_sun + self.prices.activation_bandwidth_sun
        self.energy += -(-fee_limit_sun // max(1, self.prices.energy_sun))
        self.bandwidth += bandwidth

    def check(self) -> None:
        """Raises Shortage unless everything set aside is covered."""
        if self.usdt_minor < self.kept_minor:
            raise CoinsShort(f"it lacks {format_amount(self.kept_minor - self.usdt_minor, 'USDT')} USDT")
        need_sun = burn_sun(
            self.energy,
            self.bandwidth,
            self.resources,
            energy_price_sun=self.prices.energy_sun,
            bandwidth_price_sun=self.prices.bandwidth_sun,
        )
        if need_sun > self.balance_sun:
            raise Shortage(f"it lacks {format_amount(need_sun - self.balance_sun, 'TRX')} TRX for fees, or the energy")


def usdt_of(node: Node, address: Address, token: Address, *, solid: bool = True) -> int:
    """What an address holds, where blocks are solid unless said otherwise. Raises Unavailable if the token does not say."""
    answer = node.call(address, token, balance_of_call(address), solid=solid)
    usdt_minor = None if answer.reverted else read_uint256(answer.returned)
    if usdt_minor is None:
        raise Unavailable(f"the token {token} does not say what {address} holds: {answer.message}")
    return usdt_minor


def decimal(minor: int) -> str:
    """USDT for a sentence, a fraction of a cent rounded up: 3,002.00."""
    cents = -(-minor // 10_000)
    return f"{cents // 100:,}.{cents % 100:02}"
