"""Customers on the chain: every way in which coins come to an address, and what merely looks like it."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from core.tron.address import Address
from core.tron.transactions import TRANSFER, TRIGGER
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.machine import abi
from gateways.devnet.machine.abi import UINT_MAX
from gateways.devnet.machine.forwarder import ATTEMPT, DESTROY, FORWARD
from gateways.devnet.state.transaction import Transaction
from tests.simulation.system import System

COINS: Final = 1_000_000
"""Minor units of one USDT, or sun of one TRX."""
PAYEE_KEYS: Final = tuple(Key("payee", str(number)) for number in range(2))
PAYEES: Final = (
    Address.from_evm(bytes([200]) * 20),
    Address.from_evm(bytes([201]) * 20),
    *(key.address for key in PAYEE_KEYS),
)
"""Strangers, whom nobody here has to credit; some of them move their coins on."""


class Customers:
    """They hold the devnet's funded accounts; `targets` gives the addresses of ours they know."""

    def __init__(self, system: System, targets: Callable[[], Sequence[Address]]) -> None:
        self.devnet = system.devnet
        self.hot = system.hot
        self.genesis = system.devnet.chain.genesis
        self.keys: list[Key] = self.genesis.accounts
        self.targets = targets

    def approve(self, *tokens: Address) -> None:
        """The multisender and the first customer may move everybody's coins."""
        for key in self.keys:
            for token in tokens:
                for spender in (self.genesis.multisend, self.keys[0].address):
                    self.call(key, token, "approve(address,uint256)", spender, UINT_MAX)

    def call(self, key: Key, contract: Address, signature: str, *words: Address | int, **raw: Any) -> Transaction:
        encoded = [abi.of_uint(word) if isinstance(word, int) else abi.of_address(word.evm) for word in words]
        return self.trigger(key, contract, abi.selector_of(signature) + b"".join(encoded), **raw)

    def trigger(self, key: Key, contract: Address, data: bytes, **raw: Any) -> Transaction:
        return self.broadcast(self.devnet.sign(key, TRIGGER, {"contract_address": contract, "data": data}, **raw))

    def broadcast(self, transaction: Transaction) -> Transaction:
        """Whatever the node says: an account may be short, the token paused."""
        self.devnet.broadcast(transaction)
        return transaction

    def pay_plainly(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.call(key, USDT, "transfer(address,uint256)", to, amount)

    def pay_from_allowance(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        holder = draw.choice(self.keys[1:])
        self.call(self.keys[0], USDT, "transferFrom(address,address,uint256)", holder.address, to, amount)

    def pay_many(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        """Several logs of one transaction, some to us, perhaps equal ones, perhaps one of 0."""
        receivers = [to, *(draw.choice((*self.targets(), *PAYEES)) for _ in range(draw.randint(1, 4)))]
        amounts = [amount, *(draw.choice((amount, draw.randint(0, COINS))) for _ in receivers[1:])]
        self.trigger(key, self.genesis.multisend, multisend(USDT, receivers, amounts))

    def pay_fake(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.call(key, self.genesis.fake_usdt, "transfer(address,uint256)", to, amount)

    def pay_poison(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        """Value 0, from anybody to anybody, and out of our own addresses too."""
        call = "transferFrom(address,address,uint256)"
        self.call(key, USDT, call, *draw.sample((to, self.hot, key.address), 2), 0)

    def pay_nothing(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.call(key, USDT, "transfer(address,uint256)", to, 0)

    def pay_too_much(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.call(key, USDT, "transfer(address,uint256)", to, 10**15)

    def pay_too_cheaply(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.call(key, USDT, "transfer(address,uint256)", to, amount, fee_limit=100_000)

    def pay_misbehaving(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.call(key, self.genesis.misbehaving, "misbehave(uint256)", draw.randint(1, 15))

    def pay_trx(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        self.broadcast(self.devnet.sign(key, TRANSFER, {"to_address": to, "amount": amount}))

    def pay_by_contract(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        """TRX that a contract hands on to some, perhaps less than it brought, perhaps more than there is."""
        receivers = [to, *(draw.choice((*self.targets(), *PAYEES)) for _ in range(draw.randint(0, 2)))]
        amounts = [amount, *(draw.choice((amount, 0, draw.randint(1, COINS))) for _ in receivers[1:])]
        value_sun = sum(amounts) + draw.choice((0, 0, 5, -1))
        self.trigger_with(key, self.genesis.forwarder, forward(receivers, amounts), value_sun)

    def pay_by_destroyed(self, draw: random.Random, key: Key, to: Address, amount: int) -> None:
        """All that the contract holds; or what never comes, since the call within fails."""
        if draw.random() < 0.5:
            self.call(key, self.genesis.forwarder, DESTROY.signature, to)
        else:
            self.call(key, self.genesis.forwarder, ATTEMPT.signature, to, amount)

    def trigger_with(self, key: Key, contract: Address, data: bytes, value_sun: int) -> Transaction:
        fields = {"contract_address": contract, "data": data, "call_value": value_sun}
        return self.broadcast(self.devnet.sign(key, TRIGGER, fields))


def multisend(token: Address, receivers: Sequence[Address], amounts: Sequence[int]) -> bytes:
    """The call data of send(token, to[], amounts[])."""
    return (
        abi.selector_of("send(address,address[],uint256[])") + abi.of_address(token.evm) + _lists(1, receivers, amounts)
    )


def forward(receivers: Sequence[Address], amounts: Sequence[int]) -> bytes:
    """The call data of forward(to[], amounts[])."""
    return FORWARD.selector + _lists(0, receivers, amounts)


def _lists(before: int, receivers: Sequence[Address], amounts: Sequence[int]) -> bytes:
    """The last two arguments, behind so many words."""
    count = len(receivers)
    return b"".join(
        (
            abi.of_uint((before + 2) * 32),
            abi.of_uint((before + 3 + count) * 32),
            abi.of_uint(count),
            *(abi.of_address(receiver.evm) for receiver in receivers),
            abi.of_uint(count),
            *map(abi.of_uint, amounts),
        )
    )


Payment = Callable[[Customers, random.Random, Key, Address, int], None]
PAYMENTS: Final[tuple[Payment, ...]] = (
    *(Customers.pay_plainly,) * 3,
    *(Customers.pay_many,) * 2,
    Customers.pay_from_allowance,
    Customers.pay_fake,
    Customers.pay_poison,
    Customers.pay_nothing,
    Customers.pay_too_much,
    Customers.pay_too_cheaply,
    Customers.pay_misbehaving,
    Customers.pay_trx,
    *(Customers.pay_by_contract,) * 2,
    Customers.pay_by_destroyed,
)
