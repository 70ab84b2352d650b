"""A signed transaction as the node took it in: decoded once, its txid derived from the bytes."""

from typing import Any, Final

import msgspec

from core.tron.protobuf import BYTES, MalformedProtobuf, read_fields, write_varint
from core.tron.secp256k1 import sha256
from core.tron.transactions import CONTRACT_RESULTS, CONTRACT_TYPES, RAW, RESULT, SIGNED, parameter_of

RESULT_BYTES_MAX: Final = 64
"""What bandwidth is charged for the result that the node adds to each contract."""


class Transaction(msgspec.Struct, frozen=True):
    """raw_data as bytes and as fields, its one contract decoded, the signatures, and what else its sender put beside them."""

    txid: str
    raw_data: bytes
    raw: dict[str, Any]
    kind: int
    parameter: dict[str, Any]
    signatures: tuple[bytes, ...]
    unknown: bytes = b""
    """Fields that a Transaction does not have. java-tron keeps them, and JSON never shows them."""

    @property
    def owner(self) -> bytes:
        address: bytes = self.parameter.get("owner_address", b"")
        return address

    @property
    def permission_id(self) -> int:
        return int(self.raw["contract"][0].get("Permission_id", 0))

    @property
    def expiration_ms(self) -> int:
        return int(self.raw.get("expiration", 0))

    @property
    def fee_limit_sun(self) -> int:
        return int(self.raw.get("fee_limit", 0))

    @property
    def type_name(self) -> str:
        return CONTRACT_TYPES[self.kind].name

    def encode(self, contract_ret: str = "") -> bytes:
        """The Transaction message, with the result that a block keeps beside it when one is given."""
        fields: dict[str, Any] = {"raw_data": self.raw_data, "signature": self.signatures}
        if contract_ret:
            fields["ret"] = [RESULT.encode({"contractRet": CONTRACT_RESULTS.index(contract_ret)})]
        return SIGNED.encode(fields) + self.unknown

    @property
    def bandwidth(self) -> int:
        """Bytes charged: the transaction with its signatures, and the room for its result."""
        return len(self.encode()) + RESULT_BYTES_MAX


def decode(data: bytes) -> tuple[Transaction, str]:
    """A Transaction message's bytes -> it, and the contractRet it carries. Raises MalformedProtobuf.

    As java-tron does, raw_data is parsed and written again before it is hashed: a sloppy encoding has its canonical txid.
    """
    signed = SIGNED.read(data)
    raw = RAW.decode(signed.get("raw_data", b""), strict=False)
    rets = [RESULT.decode(ret, strict=False) for ret in signed.get("ret", [])]
    contract_ret = CONTRACT_RESULTS[rets[0].get("contractRet", 0)] if rets else ""
    transaction = of_raw(raw, tuple(signed.get("signature", ())))
    return msgspec.structs.replace(transaction, unknown=_unknown(data)), contract_ret


def _unknown(data: bytes) -> bytes:
    """The fields that a Transaction does not have, written anew in the order of their numbers."""
    out = bytearray()
    for number, wire, item in sorted(read_fields(data), key=lambda field: field[0]):
        known = SIGNED.by_number.get(number)
        if known is not None and known.wire == wire:
            continue
        write_varint(out, number << 3 | wire)
        if isinstance(item, int):
            write_varint(out, item)
        else:
            if wire == BYTES:
                write_varint(out, len(item))
            out += item
    return bytes(out)


def of_raw(raw: dict[str, Any], signatures: tuple[bytes, ...] = ()) -> Transaction:
    """Fields of raw_data -> Transaction. Raises MalformedProtobuf unless it has exactly one contract of a known type."""
    raw_data = RAW.encode(raw)
    contracts = raw.get("contract", [])
    if len(contracts) != 1:
        raise MalformedProtobuf("contract size should be exactly 1")
    parameter = parameter_of(contracts[0], strict=False)
    return Transaction(sha256(raw_data).hex(), raw_data, raw, contracts[0].get("type", 0), parameter, signatures)
