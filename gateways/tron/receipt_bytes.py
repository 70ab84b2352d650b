"""A block's receipts from a node's gRPC answer: what is nobody's of ours is dropped at once, as from JSON.

The answer itself arrives whole, contractResult and all (GrpcChannel bounds it); what is made of it is as small as what
receipt_stream.py makes of JSON, and equal to it.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from core.tron.chain import Log, Receipt
from core.tron.grpc_messages import AMOUNT_ENTRY
from core.tron.protobuf import BYTES, VARINT, leading_fields, read_fields, read_varint
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
_INFO_KEY: Final = 0x0A
_ID, _FEE, _NUMBER, _TIMESTAMP, _RESOURCES, _LOG, _RESULT, _MESSAGE = 1, 2, 3, 4, 7, 8, 9, 10
_INTERNAL, _WITHDRAWN, _CANCELLED = 17, 28, 29
_ENERGY_STAKED, _ENERGY_FEE, _ORIGIN_ENERGY, _ENERGY_USED, _NET_USED, _NET_FEE, _ENDED, _PENALTY = range(1, 9)
_LOG_ADDRESS, _LOG_TOPIC, _LOG_DATA = 1, 2, 3
_CALLER, _RECEIVER, _VALUE, _NOTE, _REJECTED = 2, 3, 4, 5, 6
_AMOUNT, _TOKEN_ID = 1, 2
_ADDRESS_KEY: Final = b"\x0a\x14"
"""Before the 20 bytes of a log's contract, which stand first."""
_FOREIGN_LOG: Final = (FOREIGN,)
_SHORT_VARINT: Final = rb"[\x80-\xff]{0,8}[\x00-\x7f]"
"""Below 2^63, so its sign is no question."""
_PLAIN: Final = re.compile(
    rb"\x0a\x20(.{32})"  # id
    rb"(\x10V)?(\x18V\x20V)"  # fee; number and time
    rb"(?:\x2a(?:\x00|\x20.{32}))?"  # contractResult: nothing, or a word
    rb"(?:\x32\x15.{21})?"  # contract_address
    rb"(\x3a[\x00-\x7f](?:[\x08\x10\x18\x20\x28\x30\x38\x40]V)*)?"  # resources
    rb"(?:\x42\x9e\x01\x0a\x14(.{20})((?:\x12\x20.{32}){3}\x1a\x20.{32}))?".replace(b"V", _SHORT_VARINT),  # a Transfer
    re.DOTALL,
)
"""A receipt as nearly all are: each field once, in order, no log or one of a token. It can be cut in one way only, since every
part begins with its own key; so what is read here is what the reader of fields would read, four times as fast (make bench)."""
_PLAIN_FIELDS: Final = 12
_TRANSFER_LOG_BYTES: Final = 158


class _Used(NamedTuple):
    """What a receipt's resources say."""

    result: str
    energy_used: int = 0
    energy_fee_sun: int = 0
    net_used: int = 0
    net_fee_sun: int = 0
    energy_staked: int = 0
    origin_energy: int = 0
    energy_penalty: int = 0


_UNUSED: Final = _Used("")


def receipts_of(answer: bytes, token: bytes = b"") -> Sequence[Receipt]:
    """TransactionInfoList's bytes -> its receipts. `token` is the contract whose logs are kept; empty: every contract's.

    Raises MalformedProtobuf, MalformedAnswer.
    """
    reader = _Reader(token)
    found: list[Receipt] = []
    rest = answer[reader.leading(answer, found) :]
    for number, wire, item in read_fields(rest):
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
        self._moments: dict[bytes, tuple[int, int]] = {}
        self._fees: dict[bytes, int] = {}
        self._used: dict[bytes, _Used] = {}
        """What was read of fields, by their bytes: a block's receipts have the same few."""

    def count(self, fields: int) -> None:
        """Raises MalformedAnswer where there were too many."""
        self._fields_left -= fields
        if self._fields_left < 0:
            raise MalformedAnswer(f"it has more than {FIELDS_MAX} fields")

    def leading(self, answer: bytes, receipts: list[Receipt]) -> int:
        """Read the receipts that an answer begins with -> the offset of the first field that is none."""
        end = plain = 0
        for start, end in leading_fields(answer, _INFO_KEY):
            receipt = self._plain(answer, start, end)
            if receipt is None:
                receipt = self.receipt(answer[start:end])
                self.count(1)
            else:
                plain += 1
            receipts.append(receipt)
            if len(receipts) > RECEIPTS_MAX:
                raise MalformedAnswer(f"it has more than {RECEIPTS_MAX} receipts")
        self.count(plain * _PLAIN_FIELDS)
        return end

    def _plain(self, answer: bytes, start: int, end: int) -> Receipt | None:
        """A receipt of the usual form; None for any other, which `receipt` reads. The caller counts its fields."""
        found = _PLAIN.fullmatch(answer, start, end)
        if found is None:
            return None
        txid, fee, moment, resources, address, log = found.groups()
        used = _UNUSED
        if resources is not None:
            read = self._used.get(resources) or self._resources_once(resources)
            if read is None:
                return None
            used = read
        logs: tuple[Log, ...] = ()
        if address is not None:
            if self._token and address != self._token:
                logs = _FOREIGN_LOG
            else:
                self._count_log(_TRANSFER_LOG_BYTES)
                logs = (Log(address, (log[2:34], log[36:68], log[70:102]), log[104:]),)
        number, timestamp = self._moments.get(moment) or self._moment(moment)
        result, energy_used, energy_fee, net_used, net_fee, staked, origin, penalty = used
        return Receipt(  # by position: by name it would take as long again
            txid.hex(),
            number,
            timestamp,
            0 if fee is None else self._fees.get(fee) or self._fee(fee),
            result,
            False,
            logs,
            energy_used,
            energy_fee,
            net_used,
            net_fee,
            "",
            staked,
            origin,
            penalty,
        )

    def _moment(self, fields: bytes) -> tuple[int, int]:
        """A block's number and its time, which all its receipts have alike."""
        number, behind = read_varint(fields, 1)
        moment = self._moments[fields] = number, read_varint(fields, behind + 1)[0]
        return moment

    def _fee(self, field: bytes) -> int:
        fee = self._fees[field] = read_varint(field, 1)[0]
        return fee

    def _resources_once(self, field: bytes) -> _Used | None:
        """Short ones, which many receipts of a block have alike; None where they end elsewhere than their length says."""
        if field[1] != len(field) - 2:
            return None
        used = self._used[field] = self._resources(field[2:]) if field[1] else _UNUSED
        return used

    def _resources(self, message: bytes) -> _Used:
        used = self._amounts(message)
        ended = used.get(_ENDED, 0) % 2**32
        return _Used(
            result_name(ended) if ended else "",
            _signed(used.get(_ENERGY_USED, 0)),
            _signed(used.get(_ENERGY_FEE, 0)),
            _signed(used.get(_NET_USED, 0)),
            _signed(used.get(_NET_FEE, 0)),
            _signed(used.get(_ENERGY_STAKED, 0)),
            _signed(used.get(_ORIGIN_ENERGY, 0)),
            _signed(used.get(_PENALTY, 0)),
        )

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
        used = self._resources(resources) if resources else _UNUSED
        self.count(count)
        return Receipt(
            txid=hash_of(txid),
            block_number=_signed(amounts.get(_NUMBER, 0)),
            block_timestamp_ms=_signed(amounts.get(_TIMESTAMP, 0)),
            fee_sun=_signed(amounts.get(_FEE, 0)),
            result=used.result,
            failed=amounts.get(_RESULT, 0) % 2**32 != 0,
            logs=tuple(logs),
            energy_used=used.energy_used,
            energy_fee_sun=used.energy_fee_sun,
            net_used=used.net_used,
            net_fee_sun=used.net_fee_sun,
            message=_sentence(_short(message)) if message else "",
            energy_staked=used.energy_staked,
            origin_energy=used.origin_energy,
            energy_penalty=used.energy_penalty,
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
        self._count_log(len(message))
        return Log(address, tuple(topics), data)

    def _count_log(self, size: int) -> None:
        self._logs_bytes += size
        if self._logs_bytes > LOGS_BYTES_MAX:
            raise MalformedAnswer(f"the token's logs have more than {LOGS_BYTES_MAX} bytes")


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _short(item: bytes) -> bytes:
    return item if len(item) <= BYTES_MAX else b""


def _sentence(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message.hex()
