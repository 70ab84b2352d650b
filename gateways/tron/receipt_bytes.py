"""A block's receipts from a node's gRPC answer: what is nobody's of ours is dropped at once, as from JSON.

The answer itself arrives whole, contractResult and all (GrpcChannel bounds it); what is made of it is as small as what
receipt_stream.py makes of JSON, and equal to it.
"""

from collections.abc import Sequence
from typing import Final

from core.tron.chain import Log, Receipt
from core.tron.grpc_messages import AMOUNT_ENTRY
from core.tron.protobuf import BYTES, VARINT, read_fields
from gateways.tron.block_bytes import hash_of, result_name
from gateways.tron.internal_transfers import INTERNAL_MAX, InternalTransfers
from gateways.tron.node_json import MalformedAnswer
from gateways.tron.receipt_stream import FOREIGN, LOGS_BYTES_MAX, TEXT_BYTES_MAX

FIELDS_MAX: Final = 2_000_000
"""In one answer, of every depth that is looked at."""
RECEIPTS_MAX: Final = 100_000
"""A block of 2 MB has room for a sixth of it."""
BYTES_MAX: Final = TEXT_BYTES_MAX // 2
"""Longer is read as empty, as its hex digits are in JSON."""

_LIST_INFO: Final = 1
_ID, _FEE, _NUMBER, _TIMESTAMP, _RESOURCES, _LOG, _RESULT, _MESSAGE = 1, 2, 3, 4, 7, 8, 9, 10
_INTERNAL, _WITHDRAWN, _CANCELLED = 17, 28, 29
_ENERGY_STAKED, _ENERGY_FEE, _ORIGIN_ENERGY, _ENERGY_USED, _NET_USED, _NET_FEE, _ENDED, _PENALTY = range(1, 9)
_LOG_ADDRESS, _LOG_TOPIC, _LOG_DATA = 1, 2, 3
_CALLER, _RECEIVER, _VALUE, _NOTE, _REJECTED = 2, 3, 4, 5, 6
_AMOUNT, _TOKEN_ID = 1, 2
_ADDRESS_KEY: Final = b"\x0a\x14"
"""Before the 20 bytes of a log's contract, which stand first."""
_NOTHING: Final[dict[int, int]] = {}


def receipts_of(answer: bytes, token: bytes = b"") -> Sequence[Receipt]:
    """TransactionInfoList's bytes -> its receipts. `token` is the contract whose logs are kept; empty: every contract's.

    Raises MalformedProtobuf, MalformedAnswer.
    """
    reader = _Reader(token)
    found: list[Receipt] = []
    for number, wire, item in read_fields(answer):
        if number == _LIST_INFO and wire == BYTES and isinstance(item, bytes):
            found.append(reader.receipt(item))
        reader.count(1)
        if len(found) > RECEIPTS_MAX:
            raise MalformedAnswer(f"it has more than {RECEIPTS_MAX} receipts")
    return found


class _Reader:
    """Reads one answer, and counts what it costs."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._fields_left = FIELDS_MAX
        self._logs_bytes = self._internal_count = 0

    def count(self, fields: int) -> None:
        """Raises MalformedAnswer where there were too many."""
        self._fields_left -= fields
        if self._fields_left < 0:
            raise MalformedAnswer(f"it has more than {FIELDS_MAX} fields")

    def receipt(self, info: bytes) -> Receipt:
        amounts: dict[int, int] = {}
        logs: list[Log] = []
        internal = InternalTransfers()
        txid = message = resources = b""
        cancelled_sun, count = 0, 0
        for number, wire, item in read_fields(info):
            count += 1
            if count > self._fields_left:
                self.count(count)
            if wire == VARINT:
                amounts[number] = item  # type: ignore[assignment]
            elif wire != BYTES or isinstance(item, int):
                continue
            elif number == _LOG:
                logs.append(self._log(item))
            elif number == _ID:
                txid = item
            elif number == _RESOURCES:
                resources = resources + item if resources else item  # merged: read as if in one piece
            elif number == _MESSAGE:
                message = item
            elif number == _INTERNAL:
                self._add_internal(internal, item)
            elif number == _CANCELLED:
                cancelled_sun += AMOUNT_ENTRY.read(item).get("value", 0)
        used = self._amounts(resources) if resources else _NOTHING
        self.count(count)
        ended = used.get(_ENDED, 0) % 2**32
        return Receipt(
            txid=hash_of(txid),
            block_number=_signed(amounts.get(_NUMBER, 0)),
            block_timestamp_ms=_signed(amounts.get(_TIMESTAMP, 0)),
            fee_sun=_signed(amounts.get(_FEE, 0)),
            result=result_name(ended) if ended else "",
            failed=amounts.get(_RESULT, 0) % 2**32 != 0,
            logs=tuple(logs),
            energy_used=_signed(used.get(_ENERGY_USED, 0)),
            energy_fee_sun=_signed(used.get(_ENERGY_FEE, 0)),
            net_used=_signed(used.get(_NET_USED, 0)),
            net_fee_sun=_signed(used.get(_NET_FEE, 0)),
            message=_sentence(_short(message)) if message else "",
            energy_staked=_signed(used.get(_ENERGY_STAKED, 0)),
            origin_energy=_signed(used.get(_ORIGIN_ENERGY, 0)),
            energy_penalty=_signed(used.get(_PENALTY, 0)),
            withdrawn_sun=_signed(amounts.get(_WITHDRAWN, 0)),
            cancelled_sun=cancelled_sun,
            internal=internal.kept,
        )

    def _amounts(self, message: bytes) -> dict[int, int]:
        """The numbers of a message by their fields; the last of each counts."""
        amounts: dict[int, int] = {}
        count = 0
        for number, _, item in read_fields(message):
            count += 1
            if count > self._fields_left:
                self.count(count)
            if isinstance(item, int):
                amounts[number] = item
        self.count(count)
        return amounts

    def _add_internal(self, internal: InternalTransfers, message: bytes) -> None:
        """The first of its values is TRX, and 0 where a token moved."""
        parts = {_CALLER: b"", _RECEIVER: b"", _NOTE: b""}
        value: bytes | None = None
        rejected, count = False, 0
        for number, wire, item in read_fields(message):
            count += 1
            if count > self._fields_left:
                self.count(count)
            if wire == VARINT and number == _REJECTED:
                rejected = item != 0
            elif wire != BYTES or isinstance(item, int):
                continue
            elif number in parts:
                parts[number] = item
            elif number == _VALUE and value is None:
                value = item
        self.count(count)
        if self._internal_count < INTERNAL_MAX:
            ends = _short(parts[_CALLER]), _short(parts[_RECEIVER])
            sun = self._sun(value or b"")
            self._internal_count += internal.add(_short(parts[_NOTE]), *ends, sun, rejected=rejected)

    def _sun(self, value: bytes) -> int:
        amount_sun, token_id = 0, b""
        for number, wire, item in read_fields(value):
            self.count(1)
            if number == _AMOUNT and wire == VARINT and isinstance(item, int):
                amount_sun = _signed(item)
            elif number == _TOKEN_ID and wire == BYTES and isinstance(item, bytes):
                token_id = item
        return 0 if token_id else amount_sun

    def _log(self, message: bytes) -> Log:
        if self._token and message[:2] == _ADDRESS_KEY and message[2:22] != self._token:
            return FOREIGN
        address, topics, data = b"", [], b""
        count = 0
        for number, wire, item in read_fields(message):
            count += 1
            if count > self._fields_left:
                self.count(count)
            if wire != BYTES or isinstance(item, int):
                continue
            if number == _LOG_ADDRESS:
                address = item
            elif number == _LOG_TOPIC:
                topics.append(_short(item))
            elif number == _LOG_DATA:
                data = _short(item)
        self.count(count)
        if self._token and address != self._token:
            return FOREIGN
        if len(address) != 20:
            raise MalformedAnswer(f"a log's contract {address[:80].hex()!r} is no 20 bytes")
        self._logs_bytes += len(message)
        if self._logs_bytes > LOGS_BYTES_MAX:
            raise MalformedAnswer(f"the token's logs have more than {LOGS_BYTES_MAX} bytes")
        return Log(address, tuple(topics), data)


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _short(item: bytes) -> bytes:
    return item if len(item) <= BYTES_MAX else b""


def _sentence(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message.hex()
