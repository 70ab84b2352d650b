"""A signed transaction as the node took it in: decoded once, its txid derived from the bytes."""

from typing import Any, Final

import msgspec

from core.tron.protobuf import Field, MalformedProtobuf, Message, read_fields
from core.tron.secp256k1 import sha256
from core.tron.transactions import CONTRACT_RESULTS, PACKAGE, RAW, RESULT, SIGNED
from gateways.devnet.state.kinds import KINDS, UNKNOWN
from gateways.devnet.state.wire import canonical, unknown_fields

RESULT_BYTES_MAX: Final = 64
"""What bandwidth is charged for the result that the node adds to each contract."""
_ACCOUNT_ID: Final = Message("AccountId", Field(1, "name", "bytes"), Field(2, "address", "bytes"))
_AUTHORITY: Final = Message("authority", Field(1, "account", _ACCOUNT_ID), Field(2, "permission_name", "bytes"))


class Transaction(msgspec.Struct, frozen=True):
    """raw_data as bytes and as fields, its first contract decoded, the signatures, and what else its sender put beside them.

    `parameter` is empty where there is no contract, or its bytes are none of its type.
    """

    txid: str
    raw_data: bytes
    raw: dict[str, Any]
    kind: int
    parameter: dict[str, Any]
    signatures: tuple[bytes, ...]
    unknown: bytes = b""
    """Fields that a Transaction does not have. java-tron keeps them, and JSON never shows them."""
    result: bytes = b""
    """What its sender wrote into `ret`. A broadcast clears it; from a peer it stays, and the block sets contractRet."""

    @property
    def contracts(self) -> int:
        return len(self.raw.get("contract", []))

    @property
    def owner(self) -> bytes:
        address: bytes = self.parameter.get("owner_address", b"")
        return address

    @property
    def permission_id(self) -> int:
        return int(self.raw["contract"][0].get("Permission_id", 0)) if self.contracts else 0

    @property
    def expiration_ms(self) -> int:
        return int(self.raw.get("expiration", 0))

    @property
    def fee_limit_sun(self) -> int:
        return int(self.raw.get("fee_limit", 0))

    @property
    def type_name(self) -> str:
        message = KINDS.get(self.kind)
        return message.name if message else f"contract type {self.kind}"

    def encode(self, contract_ret: str = "") -> bytes:
        """The Transaction message, with the result that a block keeps beside it when one is given."""
        fields: dict[str, Any] = {"raw_data": self.raw_data, "signature": self.signatures}
        if contract_ret:
            ended = RESULT.encode({"contractRet": CONTRACT_RESULTS.index(contract_ret)})
            fields["ret"] = [canonical(RESULT, self.result + ended) if self.result else ended]
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
    raw_data = b"".join(item for number, _, item in read_fields(data) if number == 1 and isinstance(item, bytes))
    for authority in RAW.read(raw_data).get("auths", ()):
        _AUTHORITY.read(authority)  # nobody looks at them, and what is none is no transaction
    rets = [RESULT.read(ret) for ret in signed.get("ret", [])]
    ended = rets[0].get("contractRet", 0) if rets else 0
    contract_ret = CONTRACT_RESULTS[ended] if rets and 0 <= ended < len(CONTRACT_RESULTS) else ""
    signatures = tuple(signed.get("signature", ()))
    return _of(canonical(RAW, raw_data), signatures, unknown_fields(SIGNED, data)), contract_ret


def decode_stored(data: bytes) -> tuple[Transaction, str]:
    """The same of a transaction in a block, with what its sender wrote into `ret`. Raises MalformedProtobuf."""
    transaction, contract_ret = decode(data)
    rets = SIGNED.read(data).get("ret", ())
    if rets and rets[0] != RESULT.encode({"contractRet": RESULT.read(rets[0]).get("contractRet", 0)}):
        transaction = msgspec.structs.replace(transaction, result=rets[0])
    return transaction, contract_ret


def of_raw(raw: dict[str, Any], signatures: tuple[bytes, ...] = ()) -> Transaction:
    """Fields of raw_data -> Transaction."""
    return _of(RAW.encode(raw), signatures)


def _of(raw_data: bytes, signatures: tuple[bytes, ...], unknown: bytes = b"") -> Transaction:
    raw = RAW.read(raw_data)
    contracts = raw.get("contract", [])
    kind = contracts[0].get("type", 0) if contracts else 0
    parameter = _parameter(contracts[0]) if contracts else {}
    return Transaction(sha256(raw_data).hex(), raw_data, raw, kind, parameter, signatures, unknown)


def _parameter(contract: dict[str, Any]) -> dict[str, Any]:
    """What an `Any` holds, whatever stands before the last slash of its type; nothing where that is not the contract's."""
    message = KINDS.get(contract.get("type", 0), UNKNOWN)
    holds = contract.get("parameter", {})
    _, slash, name = holds.get("type_url", "").rpartition("/")
    if not slash or not name.startswith(PACKAGE) or message.name not in ("", name.removeprefix(PACKAGE)):
        return {}
    try:
        return message.read(holds.get("value", b""))
    except MalformedProtobuf:
        return {}
