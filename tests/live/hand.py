"""Somebody with a key on a chain: makes transactions of any kind, sends them, and waits until a block has them."""

from collections.abc import Callable
from typing import Any, Final

from core.tron.address import Address
from core.tron.chain import BroadcastAnswer, Receipt
from core.tron.secp256k1 import CURVE_ORDER, sha256
from core.tron.transactions import CONTRACT_TYPES, RAW, SIGNED, TRANSFER, TRIGGER, contract_of, parameter_of, txid_of
from gateways.tron.node import TronNode
from signers.keys.keys import Key, SoftwareKey
from signers.transactions.abi import transfer_call
from tests.support.patience import until

FEE_LIMIT_SUN: Final = 40_000_000
LIFETIME_MS: Final = 600_000
BYTE_SUN_MAX: Final = 2_000
ACTIVATION_SUN: Final = 2_000_000
"""Twice what mainnet asks for a byte, and what an account costs at most."""


class TooDear(Exception):
    """The next transaction may cost more than was said beforehand; the message has both."""


def secret_of(*words: str) -> bytes:
    """The 32 bytes of a key that these words always give."""
    number = int.from_bytes(sha256("/".join(words).encode()), "big") % (CURVE_ORDER - 1) + 1
    return number.to_bytes(32, "big")


def key_of(*words: str) -> SoftwareKey:
    return SoftwareKey(secret_of(*words))


def nothing() -> None:
    """A chain that turns by itself."""


class Hand:
    """`turn` makes the next block where nobody else does.

    `left_sun` is what may still leave its account, TRX sent, frozen and burned; what it burned so far is `burned_sun`.
    """

    def __init__(self, node: TronNode, key: Key, turn: Callable[[], None] = nothing, *, left_sun: int = 2**62) -> None:
        self.node = node
        self.key = key
        self.turn = turn
        self.left_sun = left_sun
        self.burned_sun = 0
        self._made = 0

    @property
    def address(self) -> Address:
        return self.key.address

    def signed(self, kind: int, parameter: dict[str, Any], **raw: Any) -> bytes:
        """A transaction's bytes on the solid block; raw_data's `raw` as given. No two are alike."""
        contract = contract_of(kind, {"owner_address": bytes(self.address), **parameter})
        return self.signed_contract(contract, **({"fee_limit": FEE_LIMIT_SUN} if kind == TRIGGER else {}) | raw)

    def signed_contract(self, contract: dict[str, Any], **raw: Any) -> bytes:
        """The same for a contract of a type that the program does not know."""
        self._made += 1
        head, solid = self.node.head(), self.node.solid()
        fields = {
            "ref_block_bytes": bytes.fromhex(solid.block_id[12:16]),
            "ref_block_hash": bytes.fromhex(solid.block_id[16:32]),
            "expiration": head.timestamp_ms + LIFETIME_MS,
            "timestamp": head.timestamp_ms + self._made,
            "contract": [contract],
        }
        raw_data = RAW.encode({**fields, **raw})
        return SIGNED.encode({"raw_data": raw_data, "signature": [self.key.sign_digest(sha256(raw_data))]})

    def send(self, signed: bytes) -> Receipt:
        """Broadcast, and the receipt as soon as a block has it. Fails when it is not taken, or does not succeed.

        Raises TooDear before.
        """
        moved_sun, most_sun = _cost(signed)
        if most_sun > self.left_sun:
            raise TooDear(f"a transaction may cost {most_sun} sun and {self.left_sun} are left of what was said")
        answer: BroadcastAnswer = self.node.broadcast(signed)
        assert answer.verdict == "accepted", f"{answer.code}: {answer.message}"
        receipt = self.included(txid(signed))
        assert receipt.succeeded, f"{receipt.result} {receipt.message}"
        self.left_sun -= moved_sun
        return receipt

    def included(self, txid: str) -> Receipt:
        receipt: Receipt = self.until(lambda: self.node.receipt(txid), f"a block has {txid}")
        self.burned_sun += receipt.fee_sun
        self.left_sun -= receipt.fee_sun
        return receipt

    def solid(self, txid: str) -> Receipt:
        receipt: Receipt = self.until(lambda: self.node.solid_receipt(txid), f"{txid} is solid")
        return receipt

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        """The first true value, blocks being made meanwhile."""

        def turned() -> Any:
            found = holds()
            if not found:
                self.turn()
            return found

        return until(turned, what)

    def pay(self, to: Address, sun: int) -> Receipt:
        return self.send(self.signed(TRANSFER, {"to_address": bytes(to), "amount": sun}))

    def pay_token(self, token: Address, to: Address, amount_minor: int) -> Receipt:
        return self.send(self.call(token, transfer_call(to, amount_minor)))

    def call(self, contract: Address, data: bytes, **raw: Any) -> bytes:
        return self.signed(TRIGGER, {"contract_address": bytes(contract), "data": data}, **raw)

    def sun(self) -> int:
        account = self.node.account(bytes(self.address))
        return account.balance_sun if account else 0


def _cost(signed: bytes) -> tuple[int, int]:
    """The TRX that a transaction moves away, and that and its fee at most, both in sun."""
    raw = RAW.decode(SIGNED.decode(signed)["raw_data"])
    [contract] = raw["contract"]
    parameter = parameter_of(contract) if contract["type"] in CONTRACT_TYPES else {}
    moved_sun = sum(int(parameter.get(name, 0)) for name in ("amount", "call_value", "frozen_balance"))
    return moved_sun, moved_sun + int(raw.get("fee_limit", 0)) + len(signed) * BYTE_SUN_MAX + ACTIVATION_SUN


def txid(signed: bytes) -> str:
    return txid_of(SIGNED.decode(signed)["raw_data"])


def token_of(node: TronNode, token: Address, holder: Address) -> int:
    """What a holder has, in minor units, at the node's head."""
    called = node.call(bytes(holder), bytes(token), bytes.fromhex("70a08231") + bytes(12) + holder.evm)
    return int.from_bytes(called.returned, "big")
