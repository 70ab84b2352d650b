"""A chain of thousands of transfers of every kind, and what must be credited of it, written down while it is made.

The generator knows what it meant; it never asks the product, nor the devnet, what came of it. So each payment is made in
a way whose end is certain: a customer with enough coins pays, one without them fails.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from core.tron.address import Address
from core.tron.transactions import TRANSFER
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.state.transaction import Transaction
from tests.simulation.customers import COINS, Customers, forward, multisend
from tests.simulation.system import System

Expected = Counter[tuple[str, int | None, bytes, int, str]]
"""(txid, log index, receiver's 20 bytes, minor units, currency) -> 1"""

PER_BLOCK_MAX: Final = 60
RECEIVERS_MAX: Final = 8


class Corpus:
    """Pays `ours` and others in `system`'s chain. `expected` is what must be credited, `transfers` counts all that moved."""

    def __init__(self, system: System, ours: Sequence[Address], seed: int) -> None:
        self.system = system
        self.ours = ours
        self.random = random.Random(seed)
        self.expected: Expected = Counter()
        self.kinds: Counter[str] = Counter()
        self.transfers = 0
        self.genesis = system.devnet.chain.genesis
        self._customers = Customers(system, lambda: ours)
        self.keys = self._customers.keys
        self.poor = Key(f"corpus {seed}", "a customer without coins")
        self._strangers = [Address.from_evm(bytes([90 + n]) * 20) for n in range(20)]
        system.devnet.give_trx(self.poor.address, 100_000 * COINS)
        self._customers.approve(USDT, self.genesis.fake_usdt)
        system.mine(25)  # no fork takes away what customers pay with

    def block(self) -> None:
        """A block full of payments."""
        for _ in range(self.random.randint(1, PER_BLOCK_MAX)):
            kind: Callable[[Corpus], None] = self.random.choice(KINDS)
            self.kinds[kind.__name__] += 1
            kind(self)
        self.system.mine()

    # What counts

    def plain(self) -> None:
        to, amount = self._receiver(), self._amount()
        transaction = self._call(self._customer(), USDT, "transfer(address,uint256)", to, amount)
        self._moved(transaction, 0, to, amount)

    def from_allowance(self) -> None:
        to, amount, holder = self._receiver(), self._amount(), self._customer()
        call = "transferFrom(address,address,uint256)"
        transaction = self._call(self.keys[0], USDT, call, holder.address, to, amount)
        self._moved(transaction, 0, to, amount)

    def many(self) -> None:
        """Several logs of one transaction: equal ones, ones of zero, ours and others'."""
        receivers = [self._receiver() for _ in range(self.random.randint(2, RECEIVERS_MAX))]
        receivers[-1] = self.random.choice((receivers[0], receivers[-1]))
        amounts = [self.random.choice((0, 7, self._amount())) for _ in receivers]
        transaction = self._send(self._customer(), multisend(USDT, receivers, amounts))
        for index, (to, amount) in enumerate(zip(receivers, amounts, strict=True)):
            self._moved(transaction, index, to, amount)

    def trx(self) -> None:
        to, amount_sun = self._receiver(), self.random.randint(1, COINS)
        fields = {"to_address": to, "amount": amount_sun}
        transaction = self._sent(self._customers.broadcast(self.system.devnet.sign(self._customer(), TRANSFER, fields)))
        self.transfers += 1
        if to in self.ours:
            self.expected[transaction.txid, None, to.evm, amount_sun, "TRX"] += 1

    def by_contract(self) -> None:
        """TRX handed on to some, equal shares among them: it counts where two nodes show it."""
        receivers = [self._receiver() for _ in range(self.random.randint(1, RECEIVERS_MAX))]
        amounts = [self.random.choice((0, 7, self.random.randint(1, COINS))) for _ in receivers]
        call = forward(receivers, amounts)
        transaction = self._sent(
            self._customers.trigger_with(self._customer(), self.genesis.forwarder, call, sum(amounts))
        )
        for place, (to, amount_sun) in enumerate(zip(receivers, amounts, strict=True)):
            self.transfers += 1
            if to in self.ours and amount_sun and self.system.sees_internal:
                self.expected[transaction.txid, -1 - place, to.evm, amount_sun, "TRX"] += 1

    # What looks like it

    def fake_token(self) -> None:
        self._call(self._customer(), self.genesis.fake_usdt, "transfer(address,uint256)", *self._wish())

    def fake_many(self) -> None:
        receivers = [self._receiver(), self._receiver()]
        data = multisend(self.genesis.fake_usdt, receivers, [self._amount(), self._amount()])
        self._send(self._customer(), data)

    def poison(self) -> None:
        """Zero coins, which anybody may move from anybody to anybody, out of our addresses too."""
        holder, to = self._receiver(), self._receiver()
        self._call(self._customer(), USDT, "transferFrom(address,address,uint256)", holder, to, 0)

    def nothing(self) -> None:
        self._call(self._customer(), USDT, "transfer(address,uint256)", self._receiver(), 0)

    def too_much(self) -> None:
        self._call(self.poor, USDT, "transfer(address,uint256)", *self._wish())

    def too_cheap(self) -> None:
        self._call(self._customer(), USDT, "transfer(address,uint256)", *self._wish(), fee_limit=50_000)

    def half_failing(self) -> None:
        """The second of two cannot be paid, so the first was not either."""
        data = multisend(USDT, [self._receiver(), self._receiver()], [5, 10**15])
        self._send(self._customer(), data)

    def misbehaving(self) -> None:
        self._call(self._customer(), self.genesis.misbehaving, "misbehave(uint256)", self.random.randint(1, 15))

    def approval(self) -> None:
        self._call(self._customer(), USDT, "approve(address,uint256)", self._receiver(), 1)

    # How

    def _moved(self, transaction: Transaction, index: int, to: Address, amount: int) -> None:
        self.transfers += 1
        if to in self.ours and amount:
            self.expected[transaction.txid, index, to.evm, amount, "USDT"] += 1

    def _wish(self) -> tuple[Address, int]:
        self.transfers += 1
        return self._receiver(), self._amount()

    def _amount(self) -> int:
        return self.random.choice((1, self.random.randint(2, 999), self.random.randint(1_000, 20 * COINS)))

    def _receiver(self) -> Address:
        return self.random.choice(self.ours if self.random.random() < 0.6 else self._strangers)

    def _customer(self) -> Key:
        return self.random.choice(self.keys)

    def _call(self, key: Key, contract: Address, signature: str, *words: Address | int, **raw: Any) -> Transaction:
        return self._sent(self._customers.call(key, contract, signature, *words, **raw))

    def _send(self, key: Key, data: bytes) -> Transaction:
        return self._sent(self._customers.trigger(key, self.genesis.multisend, data))

    def _sent(self, transaction: Transaction) -> Transaction:
        assert self.system.devnet.chain.pending(transaction.txid), "the node did not take it"
        return transaction


KINDS: Final = (
    *(Corpus.plain,) * 6,
    *(Corpus.many,) * 4,
    *(Corpus.from_allowance,) * 2,
    *(Corpus.trx,) * 2,
    Corpus.by_contract,
    Corpus.fake_token,
    Corpus.fake_many,
    Corpus.poison,
    Corpus.nothing,
    Corpus.too_much,
    Corpus.too_cheap,
    Corpus.half_failing,
    Corpus.misbehaving,
    Corpus.approval,
)
