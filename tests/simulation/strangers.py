"""Strangers on the chain: transactions that nobody writes by accident, payees with keys of their own, producers in need.

Nothing here is a customer's wish; it is what may stand in a block, or wait for one, beside what customers do.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from core.tron.address import Address
from core.tron.protobuf import BYTES, VARINT
from core.tron.transactions import CONTRACT_RESULTS, CREATE_ACCOUNT, RESULT, TRANSFER, TRIGGER
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.machine import abi
from gateways.devnet.state import accounts
from gateways.devnet.state.decrees import ENDS, ending
from gateways.devnet.state.kinds import KINDS
from gateways.devnet.state.transaction import Transaction, decode
from tests.simulation.customers import COINS, PAYEE_KEYS, Customers
from tests.simulation.system import System
from tests.support.strange import PREFIXES, UNKNOWN, Strange, field

EXPIRATION_MS: Final = 600_000
ODD_MAX: Final = 3
"""Odd transactions at a time."""
PRICES: Final = {
    "getEnergyFee": (50, 100, 210, 420),
    "getTransactionFee": (1_000, 2_000),
    "getCreateNewAccountFeeInSystemContract": (1_000_000, 2_000_000),
    "getMemoFee": (0, 1_000_000),
}
"""What the committee may decide, as mainnet's has decided or might."""
RESULTS: Final[tuple[dict[str, Any], ...]] = (
    {"fee": 5},
    {"fee": -1},
    {"ret": 1},
    {"ret": 7},
    {"contractRet": CONTRACT_RESULTS.index("REVERT")},
    {"withdraw_amount": 10**12, "unfreeze_amount": 1},
    {"exchange_id": 3, "orderId": b"order"},
)
"""What a peer's transaction may have in `ret`; the block sets contractRet and keeps the rest."""


class Strangers:
    """`customers` hold the coins they do it with."""

    def __init__(self, system: System, customers: Customers) -> None:
        self.system = system
        self.devnet = system.devnet
        self.customers = customers
        self.took: list[Transaction] = []
        """The odd transactions that the node took."""

    # What is odd

    def send_odd(self, draw: random.Random, to: Address) -> None:
        """Some of those that tests/support/strange.py makes, and payments of the token that are spelled as oddly."""
        key = draw.choice(self.customers.keys)
        made: Iterator[bytes] = iter(())
        if draw.random() < 0.5:
            strange = self._strange(draw, key, to)
            kinds = (strange.outside, strange.inside, strange.contracts, strange.values, strange.types)
            kind = draw.choice((*kinds, strange.signatures, strange.numbers))
            made = (signed for _, signed in draw.sample(list(kind()), ODD_MAX))
        else:
            made = (self._odd_payment(draw, key, to) for _ in range(draw.randint(1, ODD_MAX)))
        for signed in made:
            transaction, _ = decode(signed)
            if draw.random() < 0.3:
                transaction = msgspec.structs.replace(transaction, result=_result(draw))
            if self.devnet.broadcast(transaction).accepted:
                self.took.append(transaction)

    def _odd_payment(self, draw: random.Random, key: Key, to: Address) -> bytes:
        """A transfer of the token or of TRX with unknown fields at any depth, behind any type's prefix."""

        def odd() -> bytes:
            return draw.choice(list(UNKNOWN.values())) if draw.random() < 0.35 else b""

        amount, more = draw.randint(1, COINS), {}
        if draw.random() < 0.7:
            kind, more = TRIGGER, {"fee_limit": 100_000_000}
            data = abi.selector_of("transfer(address,uint256)") + abi.of_address(to.evm) + abi.of_uint(amount)
            fields = {"owner_address": bytes(key.address), "contract_address": bytes(USDT), "data": data}
        else:
            kind = TRANSFER
            fields = {"owner_address": bytes(key.address), "to_address": bytes(to), "amount": amount}
        message, strange = KINDS[kind], self._strange(draw, key, to)
        url = draw.choice(("type.googleapis.com/", *PREFIXES.values())) + f"protocol.{message.name}"
        holds = field(1, BYTES, url.encode()) + field(2, BYTES, message.encode(fields) + odd()) + odd()
        contract = field(1, VARINT, kind) + field(2, BYTES, holds) + odd()
        return strange.signed(strange.raw(contract, **more) + odd(), tail=odd())

    def _strange(self, draw: random.Random, key: Key, to: Address) -> Strange:
        chain = self.devnet.chain
        envelope = {
            "ref_block_bytes": bytes.fromhex(chain.solid.block_id[12:16]),
            "ref_block_hash": bytes.fromhex(chain.solid.block_id[16:32]),
            "expiration": chain.head.timestamp_ms + EXPIRATION_MS + draw.randrange(EXPIRATION_MS),
            "timestamp": chain.head.timestamp_ms,
        }
        producer = Address(chain.genesis.producers[0].address)
        return Strange(envelope, key.address, to, producer, key.sign, first_amount=draw.randint(1, COINS))

    # What may never come

    def pay_payee(self, draw: random.Random) -> Transaction:
        """A payee's wallet gets its first coins, or more of them."""
        payee, key = draw.choice(PAYEE_KEYS), draw.choice(self.customers.keys)
        return self.customers.call(key, USDT, "transfer(address,uint256)", payee.address, draw.choice((1, COINS)))

    def empty_payee(self, draw: random.Random) -> Transaction | None:
        """A payee sends all it has to somebody else, as an exchange does with its deposit addresses."""
        payee, state = draw.choice(PAYEE_KEYS), self.devnet.chain.state
        held = state.get(("slot", USDT, "balance", payee.address.evm)) or 0
        account = accounts.find(state, payee.address)
        if account is None or account.balance_sun < 20 * COINS:
            self.devnet.give_trx(payee.address, 100 * COINS)
        if not held or account is None:
            return None
        to = draw.choice(self.customers.keys).address
        return self.customers.call(payee, USDT, "transfer(address,uint256)", to, held)

    def open_account(self, draw: random.Random) -> Transaction:
        """An account that is there from then on, by TRX or by name."""
        key, payee = draw.choice(self.customers.keys), draw.choice(PAYEE_KEYS)
        if draw.random() < 0.5:
            return self._send(key, CREATE_ACCOUNT, {"account_address": payee.address})
        return self._send(key, TRANSFER, {"to_address": payee.address, "amount": COINS})

    def pay_us(self, draw: random.Random) -> Transaction:
        """A deposit, or gas: what a wallet of ours seems to have."""
        key, to = draw.choice(self.customers.keys), draw.choice((*self.customers.targets(), self.system.gas))
        if draw.random() < 0.5 and to != self.system.gas:
            return self.customers.call(key, USDT, "transfer(address,uint256)", to, draw.randint(1, 100 * COINS))
        return self._send(key, TRANSFER, {"to_address": to, "amount": draw.randint(1, 50 * COINS)})

    def blacklist(self, draw: random.Random) -> Transaction:
        """The issuer is about to, of a payee, of our hot wallet, or of everybody."""
        who = draw.choice((*(key.address for key in PAYEE_KEYS), self.system.hot))
        issuer = self.devnet.chain.genesis.treasury
        if draw.random() < 0.2:
            return self.customers.call(issuer, USDT, "pause()")
        return self.customers.call(issuer, USDT, "addBlackList(address)", who)

    def promise(self, draw: random.Random) -> None:
        """One of these waits in the pool, shows in every /wallet answer, and comes into no block."""
        act: Callable[[Strangers, random.Random], Transaction | None] = draw.choice(PROMISES)
        if transaction := act(self, draw):
            self.devnet.withhold(transaction.txid)

    def _send(self, key: Key, kind: int, fields: dict[str, Any]) -> Transaction:
        return self.customers.broadcast(self.devnet.sign(key, kind, fields))

    # What the committee and the producers do

    def vote(self, draw: random.Random) -> None:
        """A proposal about prices, in force from the next maintenance on."""
        name = draw.choice(("getEnergyFee", "getEnergyFee", *PRICES))
        self.system.proposals[name] = draw.choice(PRICES[name])

    def starve(self, draw: random.Random, blocks: int) -> None:
        """For some blocks calls of the token end as no trial said: the producers are too slow, or too dear."""
        result = draw.choice(("OUT_OF_TIME", "OUT_OF_ENERGY"))
        self.system.decree({f"{ENDS}{USDT.hex()}": CONTRACT_RESULTS.index(result)})
        self.system.mine(blocks)
        self.feed()

    def feed(self) -> None:
        """The producers are well."""
        if ending(self.devnet.chain.state, USDT):
            self.system.decree({f"{ENDS}{USDT.hex()}": 0})


def _result(draw: random.Random) -> bytes:
    """A Transaction.Result, sometimes with a field that there is not."""
    return RESULT.encode(draw.choice(RESULTS)) + (field(30, VARINT, 5) if draw.random() < 0.3 else b"")


PROMISES: Final = (
    *(Strangers.pay_payee,) * 2,
    *(Strangers.empty_payee,) * 2,
    Strangers.open_account,
    *(Strangers.pay_us,) * 2,
    Strangers.blacklist,
)
