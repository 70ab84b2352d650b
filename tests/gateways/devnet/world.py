"""A devnet turned by hand: its clock stands still until a test moves it, so every run is the same."""

from typing import Any

from core.tron.address import Address
from core.tron.transactions import DELEGATE, FREEZE, UNDELEGATE
from gateways.devnet.chain.block import Included
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.machine import abi
from gateways.devnet.machine.machine import Called
from gateways.devnet.node import Config, Node
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.state import Overlay

START_MS = 1_788_408_000_000
STRANGER = Address.from_base58("TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw")
"""An address that no devnet funds."""

TRX = 1_000_000
USDT_1 = 1_000_000


class Devnet:
    """A node and the hand that turns it."""

    def __init__(self, **config: Any) -> None:
        self.now_ms = START_MS
        self.node = Node(Config(**{"paused": True, "network": "test", **config}), lambda: self.now_ms)
        self.chain = self.node.chain
        self.genesis = self.chain.genesis
        self.alice, self.bob, self.carol = self.genesis.accounts[:3]
        self.owner = self.genesis.treasury

    def data(self, signature: str, *words: bytes | int) -> bytes:
        encoded = [abi.of_uint(word) if isinstance(word, int) else abi.of_address(word) for word in words]
        return abi.selector_of(signature) + b"".join(encoded)

    def send_call(self, key: Key, signature: str, *words: bytes | int, contract: bytes = USDT, **raw: Any) -> Included:
        """A contract call, broadcast, mined alone, and how it ended."""
        fields = {"contract_address": contract, "data": self.data(signature, *words)}
        return self.mined(self.signed(key, 31, fields, **raw))

    def send_trx(self, key: Key, to: bytes, amount_sun: int, **raw: Any) -> Included:
        return self.mined(self.signed(key, 1, {"to_address": to, "amount": amount_sun}, **raw))

    def send(self, key: Key, kind: int, **fields: Any) -> Included:
        """A contract of this type, mined alone."""
        return self.mined(self.signed(key, kind, fields))

    def freeze(self, key: Key, trx: int, resource: int = 1) -> Included:
        return self.send(key, FREEZE, frozen_balance=trx * TRX, resource=resource)

    def lend(self, key: Key, to: bytes, trx: int, resource: int = 1, **lock: Any) -> Included:
        return self.send(key, DELEGATE, receiver_address=to, balance=trx * TRX, resource=resource, **lock)

    def take_back(self, key: Key, of: bytes, trx: int, resource: int = 1) -> Included:
        return self.send(key, UNDELEGATE, receiver_address=of, balance=trx * TRX, resource=resource)

    def refused(self, key: Key, kind: int, **fields: Any) -> str:
        """Why a contract is not taken, without what broadcasting puts before it."""
        verdict = self.node.broadcast(self.signed(key, kind, fields))
        assert verdict.code == "CONTRACT_VALIDATE_ERROR", verdict
        return verdict.message.removeprefix("Contract validate error : ")

    def account(self, holder: bytes) -> Account:
        account = accounts.find(self.chain.state, holder)
        assert account is not None
        return account

    def signed(self, key: Key, kind: int, fields: dict[str, Any], **raw: Any) -> Any:
        return self.node.sign(key, kind, fields, **raw)

    def mined(self, transaction: Any) -> Included:
        verdict = self.node.broadcast(transaction)
        assert verdict.accepted, verdict
        included = self.node.mine().included
        assert [each.transaction.txid for each in included] == [transaction.txid]
        return included[0]

    def read(self, signature: str, *words: bytes | int, contract: Address = USDT) -> Called:
        data = self.data(signature, *words)
        state = Overlay(self.chain.state)
        return self.chain.machine.execute(state, contract, self.alice.address, data, limit=10**9)

    def usdt(self, holder: Address) -> int:
        return int.from_bytes(self.read("balanceOf(address)", holder.evm).returned, "big")

    def trx(self, holder: Address) -> int | None:
        account = accounts.find(self.chain.state, holder)
        return account and account.balance_sun
