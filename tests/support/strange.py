"""Transactions as nobody makes them by accident: every odd spelling that a node may be sent, each moving an amount of its own.

What a java-tron said to them stands in tests/gateways/devnet/chain/java_tron_transactions.json; the devnet says the same.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from core.tron.address import Address
from core.tron.protobuf import BYTES, FIXED32, FIXED64, GROUP, GROUP_END, VARINT, Message, write_varint
from core.tron.secp256k1 import sha256
from core.tron.transactions import ANY, CONTRACT, CONTRACT_TYPES, RAW, SIGNED, TRANSFER, TYPE_URL_PREFIX
from gateways.devnet.state.kinds import KINDS, UPDATE_ACCOUNT, VOTE, WITHDRAW_REWARD
from gateways.devnet.state.wire import canonical

Sign = Callable[[bytes], bytes]
"""A 32-byte digest -> 65 bytes, v 0 or 1."""
_TRANSFER: Final = CONTRACT_TYPES[TRANSFER]
PREFIXES: Final = {
    "a bare slash": "/",
    "a path": "a/b/",
    "quotes and a newline": "\"\n'/",
    "a NUL": "\x00/",
    "3000 characters": "x" * 3000 + "/",
    "no slash": "",
    "another host": "example.org/",
}


def field(number: int, wire: int, item: int | bytes) -> bytes:
    """One field's bytes, whatever they mean; a group's item ends without its end."""
    out = bytearray()
    write_varint(out, number << 3 | wire)
    if isinstance(item, int):
        write_varint(out, item)
        return bytes(out)
    if wire == BYTES:
        write_varint(out, len(item))
    out += item
    if wire == GROUP:
        write_varint(out, number << 3 | GROUP_END)
    return bytes(out)


def overlong(number: int, value: int) -> bytes:
    """A number in ten bytes where fewer do."""
    key = bytearray()
    write_varint(key, number << 3)
    digits = [value >> 7 * place & 0x7F for place in range(10)]
    return bytes(key) + bytes([digit | 0x80 for digit in digits[:-1]]) + bytes([digits[-1]])


UNKNOWN: Final = {
    "a varint": field(30, VARINT, 5),
    "fixed 64": field(30, FIXED64, bytes(8)),
    "fixed 32": field(30, FIXED32, bytes(4)),
    "bytes": field(30, BYTES, b"what is this"),
    "a group": field(30, GROUP, field(1, VARINT, 5)),
    "several, not in order": field(40, VARINT, 5) + field(30, BYTES, b"x") + field(30, VARINT, 6),
}


class Strange:
    """`envelope` are raw_data's fields without a contract. Each transaction moves an amount of its own."""

    def __init__(
        self,
        envelope: dict[str, Any],
        owner: Address,
        to: Address,
        producer: Address,
        sign: Sign,
        first_amount: int = 1001,
    ) -> None:
        self.envelope = envelope
        self.owner = owner
        self.to = to
        self.producer = producer
        self.sign = sign
        self._amount = first_amount - 1

    def all(self) -> Iterator[tuple[str, bytes]]:
        """(what is strange about it, a Transaction's bytes), each name once."""
        for made in (self.signatures, self.outside, self.inside, self.contracts, self.values, self.types, self.numbers):
            yield from made()

    def transfer(self, **more: Any) -> dict[str, Any]:
        self._amount += 1
        return {"owner_address": bytes(self.owner), "to_address": bytes(self.to), "amount": self._amount, **more}

    def raw(self, contract: bytes | None = None, **more: Any) -> bytes:
        """raw_data with this contract's bytes, or a plain transfer's."""
        if contract is None:
            contract = self.contract(_TRANSFER.encode(self.transfer()))
        return RAW.encode({**self.envelope, **more}) + field(11, BYTES, contract)

    def contract(
        self, value: bytes, kind: int = TRANSFER, url: str = TYPE_URL_PREFIX + _TRANSFER.name, **more: Any
    ) -> bytes:
        return CONTRACT.encode({"type": kind, "parameter": {"type_url": url, "value": value}, **more})

    def signed(self, raw: bytes, *, tail: bytes = b"", change: Callable[[bytes], bytes] = bytes) -> bytes:
        signature = self.sign(sha256(canonical(RAW, raw)))
        return SIGNED.encode({"raw_data": raw, "signature": [change(signature)]}) + tail

    def signatures(self) -> Iterator[tuple[str, bytes]]:
        for added in (0, 4, 27, 31, 8, 35, 200):
            yield (
                f"v and {added}",
                self.signed(
                    self.raw(), change=lambda signature, added=added: signature[:64] + bytes([signature[64] + added])
                ),  # type: ignore[misc]
            )
        for size in (0, 1, 64, 66, 68, 200, 1000):
            yield f"a signature of {size} bytes", self.signed(self.raw(), change=lambda s, n=size: (s + bytes(n))[:n])  # type: ignore[misc]
        raw = self.raw()
        signature = self.sign(sha256(canonical(RAW, raw)))
        yield "signed twice", SIGNED.encode({"raw_data": raw, "signature": [signature, signature]})
        yield "no signature", SIGNED.encode({"raw_data": self.raw()})
        yield "signed by zeros", self.signed(self.raw(), change=lambda s: bytes(len(s)))

    def outside(self) -> Iterator[tuple[str, bytes]]:
        for name, unknown in UNKNOWN.items():
            yield f"beside raw_data {name}", self.signed(self.raw(), tail=unknown)
        raw = self.raw()
        signature = self.sign(sha256(canonical(RAW, raw)))
        yield "signature first", field(2, BYTES, signature) + field(1, BYTES, raw)
        raw = self.raw()
        signature = self.sign(sha256(canonical(RAW, raw)))
        yield "raw_data in two parts", field(1, BYTES, raw[:4]) + field(2, BYTES, signature) + field(1, BYTES, raw[4:])
        for name, ret in (("a result", "1801"), ("a failed result", "10011802"), ("a fee", "08ffffffffffffffffff01")):
            yield f"with {name}", self.signed(self.raw(), tail=field(5, BYTES, bytes.fromhex(ret)))
        yield "with a long result", self.signed(self.raw(), tail=field(5, BYTES, field(30, BYTES, bytes(70))))

    def inside(self) -> Iterator[tuple[str, bytes]]:
        for name, unknown in UNKNOWN.items():
            yield f"in raw_data {name}", self.signed(self.raw() + unknown)
            plain = self.contract(_TRANSFER.encode(self.transfer()))
            yield f"in the contract {name}", self.signed(self.raw(plain + unknown))
            holds = ANY.encode(
                {"type_url": TYPE_URL_PREFIX + _TRANSFER.name, "value": _TRANSFER.encode(self.transfer())}
            )
            yield f"in the Any {name}", self.signed(self.raw(field(1, VARINT, 1) + field(2, BYTES, holds + unknown)))
            value = _TRANSFER.encode(self.transfer()) + unknown
            yield f"in the value {name}", self.signed(self.raw(self.contract(value)))
        raw = self.raw()
        yield "another order", self.signed(field(14, VARINT, 7) + raw)
        yield "a doubled expiration", self.signed(self.raw() + field(8, VARINT, self.envelope["expiration"]))
        yield "an overlong timestamp", self.signed(self.raw() + overlong(14, 7))
        yield (
            "everything that there is",
            self.signed(self.raw(auths=[b"\x12\x01x"], scripts=b"s", ref_block_num=5, fee_limit=1, data=b"memo")),
        )

    def contracts(self) -> Iterator[tuple[str, bytes]]:
        one = field(11, BYTES, self.contract(_TRANSFER.encode(self.transfer())))
        yield "two contracts", self.signed(self.raw() + one)
        yield "no contract", self.signed(RAW.encode(self.envelope))
        for name, prefix in PREFIXES.items():
            url = f"{prefix}protocol.{_TRANSFER.name}"
            yield (
                f"a prefix of {name}",
                self.signed(self.raw(self.contract(_TRANSFER.encode(self.transfer()), url=url))),
            )
        yield (
            "a type that is not its value's",
            self.signed(self.raw(self.contract(_TRANSFER.encode(self.transfer()), 31))),
        )
        for number in (0, 1, 3, -1):
            value = _TRANSFER.encode(self.transfer())
            yield f"permission {number}", self.signed(self.raw(self.contract(value, Permission_id=number)))
        plain = field(1, VARINT, 2**32 + 1) + self.contract(_TRANSFER.encode(self.transfer()), kind=0)
        yield "a type above 32 bits", self.signed(self.raw(plain))
        plain = self.contract(_TRANSFER.encode(self.transfer())) + field(5, VARINT, 2**32)
        yield "a permission above 32 bits", self.signed(self.raw(plain))
        value = _TRANSFER.encode(self.transfer())
        yield "a provider and a name", self.signed(self.raw(self.contract(value, provider=b"p", ContractName=b"n")))

    def values(self) -> Iterator[tuple[str, bytes]]:
        def of(value: bytes) -> bytes:
            return self.signed(self.raw(self.contract(value)))

        plain = self.transfer()
        yield "a doubled amount", of(_TRANSFER.encode(plain) + field(3, VARINT, plain["amount"] + 5000))
        yield "a doubled payee", of(_TRANSFER.encode(self.transfer()) + field(2, BYTES, bytes(self.producer)))
        yield (
            "an overlong amount",
            of(_TRANSFER.encode(self.transfer(amount=0)) + overlong(3, self.transfer()["amount"])),
        )
        yield "nothing", of(_TRANSFER.encode(self.transfer(amount=0)))
        yield "less than nothing", of(_TRANSFER.encode(self.transfer(amount=-1)))
        yield "to itself", of(_TRANSFER.encode(self.transfer(to_address=bytes(self.owner))))
        yield "to 20 bytes", of(_TRANSFER.encode(self.transfer(to_address=bytes(self.to)[1:])))
        yield "a value that is no message", of(b"\xff\xff")
        two = field(2, BYTES, _TRANSFER.encode(self.transfer()))
        holds = ANY.encode({"type_url": TYPE_URL_PREFIX + _TRANSFER.name, "value": _TRANSFER.encode(self.transfer())})
        yield "two values", self.signed(self.raw(field(1, VARINT, 1) + field(2, BYTES, holds + two)))

    def types(self) -> Iterator[tuple[str, bytes]]:
        owner = {"owner_address": bytes(self.owner)}
        ballot = [{"vote_address": bytes(self.producer), "vote_count": 1}]
        stranger = [{"vote_address": bytes(self.to), "vote_count": 1}]
        for name, kind, value in (
            ("a vote without power", VOTE, {**owner, "votes": [{**ballot[0], "vote_count": 10**9}]}),
            ("a vote for nobody", VOTE, owner),
            ("a vote for no producer", VOTE, {**owner, "votes": stranger}),
            ("a reward", WITHDRAW_REWARD, owner),
            ("a name that is too long", UPDATE_ACCOUNT, {**owner, "account_name": b"x" * 201}),
        ):
            message: Message = KINDS[kind]
            packed = self.contract(message.encode(value), kind, TYPE_URL_PREFIX + message.name)
            yield name, self.signed(self.raw(packed))

    def numbers(self) -> Iterator[tuple[str, bytes]]:
        yield "no timestamp", self.signed(self.raw(timestamp=0))
        yield "a timestamp below 0", self.signed(self.raw(timestamp=-1))
        yield "a fee limit of a transfer", self.signed(self.raw(fee_limit=2**62))
        yield "a fee limit below 0", self.signed(self.raw(fee_limit=-1))
        yield "a memo", self.signed(self.raw(data=b"a memo"))
        yield "expired", self.signed(self.raw(expiration=1))
        yield "an expiration below 0", self.signed(self.raw(expiration=-1))
        yield "far in the future", self.signed(self.raw(expiration=2**62))
        yield "another chain", self.signed(self.raw(ref_block_hash=bytes(8)))
        yield "no reference", self.signed(self.raw(ref_block_bytes=b"", ref_block_hash=b""))
