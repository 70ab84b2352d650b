"""java-tron's JSON, read strictly: one struct per answer, and what it means in core.tron.chain's words.

Defaults are omitted by the node, "not found" is {}, and {"Error": ...} comes with status 200 (TRON.md 3). What does not
have the shape raises MalformedAnswer; nothing is repaired.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from core.ports.chain import CallNotMade
from core.tron.address import ADDRESS_PREFIX
from core.tron.chain import Block, BlockRef, ChainTransaction, ConstantResult, Log, Producer, Receipt
from core.tron.protobuf import Message
from core.tron.transactions import CONTRACT_RESULTS, HEADER_RAW
from gateways.tron.internal_transfers import InternalTransfers
from gateways.tron.result_json import result_bytes


class MalformedAnswer(ValueError):
    """The answer does not have the shape of a node's; the message says where."""


class Answer(msgspec.Struct, frozen=True):
    """What every answer may be instead of itself: an error with status 200."""

    error: str = msgspec.field(name="Error", default="")


_PLAIN: Final = frozenset(("", *CONTRACT_RESULTS))
"""What a ret with contractRet alone says, or no ret: the scanner knows the bytes of these."""

A = TypeVar("A", bound=Answer)
P = TypeVar("P")


class HeaderAnswer(msgspec.Struct, frozen=True):
    raw_data: dict[str, int | str]
    witness_signature: str = ""


Ret = dict[str, Any]
"""A Transaction.Result as it is printed: contractRet, and whatever the sender put beside it."""


class TransactionAnswer(msgspec.Struct, frozen=True):
    txid: str = msgspec.field(name="txID")
    raw_data_hex: str
    signature: tuple[str, ...] = ()
    ret: tuple[Ret, ...] = ()


class BlockAnswer(Answer, frozen=True):
    """A block, or {} for none."""

    block_id: str = msgspec.field(name="blockID", default="")
    header: HeaderAnswer | None = msgspec.field(name="block_header", default=None)
    transactions: tuple[TransactionAnswer, ...] = ()


class LogAnswer(msgspec.Struct, frozen=True):
    address: str
    topics: tuple[str, ...] = ()
    data: str = ""


class UsageAnswer(msgspec.Struct, frozen=True):
    result: str = ""
    energy_usage: int = 0
    energy_usage_total: int = 0
    origin_energy_usage: int = 0
    energy_penalty_total: int = 0
    energy_fee: int = 0
    net_usage: int = 0
    net_fee: int = 0


class AmountAnswer(msgspec.Struct, frozen=True):
    """One entry of a map, as java-tron prints maps."""

    key: str = ""
    value: int = 0


class CallValueAnswer(msgspec.Struct, frozen=True):
    """Sun, or what there is of a TRC-10 token where one is named."""

    amount: int = msgspec.field(name="callValue", default=0)
    token_id: str = msgspec.field(name="tokenId", default="")


class InternalAnswer(msgspec.Struct, frozen=True):
    """An InternalTransaction. The first of its values is TRX, and 0 where a token moved; of `note` the hex is printed."""

    caller: str = msgspec.field(name="caller_address", default="")
    receiver: str = msgspec.field(name="transferTo_address", default="")
    values: tuple[CallValueAnswer, ...] = msgspec.field(name="callValueInfo", default=())
    note: str = ""
    rejected: bool = False


class ReceiptAnswer(Answer, frozen=True):
    """A TransactionInfo, or {} for none."""

    id: str = ""
    number: int = msgspec.field(name="blockNumber", default=0)
    timestamp_ms: int = msgspec.field(name="blockTimeStamp", default=0)
    fee: int = 0
    receipt: UsageAnswer = UsageAnswer()
    log: tuple[LogAnswer, ...] = ()
    result: str = ""
    message: str = msgspec.field(name="resMessage", default="")
    withdraw_expire_amount: int = 0
    cancelled: tuple[AmountAnswer, ...] = msgspec.field(name="cancel_unfreezeV2_amount", default=())
    internal: tuple[InternalAnswer, ...] = msgspec.field(name="internal_transactions", default=())


class WitnessAnswer(msgspec.Struct, frozen=True):
    address: str
    is_jobs: bool = msgspec.field(name="isJobs", default=False)
    latest_block: int = msgspec.field(name="latestBlockNum", default=0)


class WitnessesAnswer(Answer, frozen=True):
    """All candidates, of whom those with isJobs produce blocks now."""

    witnesses: tuple[WitnessAnswer, ...] = ()


class ParameterAnswer(msgspec.Struct, frozen=True):
    key: str
    value: int = 0


class ParametersAnswer(Answer, frozen=True):
    parameters: tuple[ParameterAnswer, ...] = msgspec.field(name="chainParameter", default=())


class CallStatus(msgspec.Struct, frozen=True):
    result: bool = False
    code: str = "SUCCESS"
    message: str = ""


class CallRet(msgspec.Struct, frozen=True):
    ret: str = ""


class CalledTransaction(msgspec.Struct, frozen=True):
    ret: tuple[CallRet, ...] = ()


class CallAnswer(Answer, frozen=True):
    result: CallStatus = CallStatus()
    energy_used: int = 0
    energy_penalty: int = 0
    constant_result: tuple[str, ...] = ()
    transaction: CalledTransaction = CalledTransaction()


class BroadcastReply(Answer, frozen=True):
    """`code` is left out where it is SUCCESS, in broadcasttransaction's answer though not in broadcasthex's."""

    result: bool = False
    code: str = ""
    txid: str = ""
    message: str = ""


def understood(parse: Callable[[bytes], P], body: bytes) -> P:
    """What the answer means. Raises MalformedAnswer whatever it is that cannot be understood: nesting, numbers, texts.

    A node may answer anything, and no answer is a defect of this program's (FAILURES 40).
    """
    try:
        return parse(body)
    except MalformedAnswer:
        raise
    except (ValueError, ArithmeticError, RecursionError, LookupError) as error:
        raise MalformedAnswer(f"{type(error).__name__}: {error}"[:300]) from error


def read(body: bytes, kind: type[A]) -> A:
    """The answer, as its struct. Raises MalformedAnswer, also for {"Error": ...}."""
    answer: A = _decode(body, kind)
    if answer.error:
        raise MalformedAnswer(f"it says {answer.error[:200]}")
    return answer


def block_of(answer: BlockAnswer) -> Block | None:
    """A block whose header bytes are encoded anew from the JSON fields: their hash is for the scanner to check."""
    if not answer.block_id and answer.header is None:
        return None
    if answer.header is None:
        raise MalformedAnswer("the block has no header")
    header = _protobuf_fields(HEADER_RAW, answer.header.raw_data)
    return Block(
        ref=_ref(answer.block_id, header),
        witness=header.get("witness_address", b""),
        witness_signature=hex_bytes(answer.header.witness_signature),
        tx_trie_root=header.get("txTrieRoot", b""),
        header_raw=HEADER_RAW.encode(header),
        transactions=tuple(_transaction(each) for each in answer.transactions),
    )


def receipt_of(answer: ReceiptAnswer) -> Receipt | None:
    """A receipt, or None for {}. `result` stands at the top only when the transaction failed."""
    if not answer.id:
        return None
    internal = InternalTransfers()
    for each in answer.internal:
        add_internal(internal, each)
    return Receipt(
        txid=_hash(answer.id),
        block_number=answer.number,
        block_timestamp_ms=answer.timestamp_ms,
        fee_sun=answer.fee,
        result=answer.receipt.result,
        failed=answer.result not in ("", "SUCESS"),
        logs=tuple(log_of(log) for log in answer.log),
        energy_used=answer.receipt.energy_usage_total,
        energy_fee_sun=answer.receipt.energy_fee,
        net_used=answer.receipt.net_usage,
        net_fee_sun=answer.receipt.net_fee,
        message=text(answer.message),
        energy_staked=answer.receipt.energy_usage,
        origin_energy=answer.receipt.origin_energy_usage,
        energy_penalty=answer.receipt.energy_penalty_total,
        withdrawn_sun=answer.withdraw_expire_amount,
        cancelled_sun=sum(each.value for each in answer.cancelled),
        internal=internal.kept,
    )


def add_internal(internal: InternalTransfers, answer: InternalAnswer) -> bool:
    """-> whether it was kept."""
    first = answer.values[0] if answer.values else CallValueAnswer()
    amount_sun = 0 if first.token_id else first.amount
    ends = hex_bytes(answer.caller), hex_bytes(answer.receiver)
    return internal.add(hex_bytes(answer.note), *ends, amount_sun, rejected=answer.rejected)


def producers_of(answer: WitnessesAnswer) -> list[Producer]:
    return [Producer(address_bytes(each.address), each.is_jobs, each.latest_block) for each in answer.witnesses]


def parameters_of(answer: ParametersAnswer) -> dict[str, int]:
    return {parameter.key: parameter.value for parameter in answer.parameters}


def called(answer: CallAnswer) -> ConstantResult:
    """A revert says result true all the same; it shows in the transaction's ret.

    Raises CallNotMade for a node that was too slow (java-tron allows 80 ms) or does not know the contract, MalformedAnswer for
    one that did not call for any other reason.
    """
    status = answer.result
    said = text(status.message)
    if status.code == "OTHER_ERROR" and "CPU timeout" in said:
        raise CallNotMade(f"the node is too slow for a constant call now: {said}")
    if status.code != "SUCCESS" and "contract is not exist" in said:
        raise CallNotMade(f"the node does not know the contract: {said}")
    if status.code not in ("SUCCESS", "CONTRACT_VALIDATE_ERROR", "CONTRACT_EXE_ERROR"):
        raise MalformedAnswer(f"it did not make the call: {status.code} {text(status.message)}")
    reverted = status.code != "SUCCESS" or not status.result or any(r.ret == "FAILED" for r in answer.transaction.ret)
    return ConstantResult(
        energy_used=answer.energy_used,
        returned=hex_bytes("".join(answer.constant_result)),
        reverted=reverted,
        message=text(status.message),
        energy_penalty=answer.energy_penalty,
    )


def text(message: str) -> str:
    """A human's sentence; some endpoints send the hex of its bytes, others the sentence (TRON.md 3)."""
    try:
        return bytes.fromhex(message).decode()
    except ValueError:
        return message


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        beginning = body[:80].decode("utf-8", "replace")
        raise MalformedAnswer(f"{error}; it begins with {beginning!r}") from error


def _protobuf_fields(message: Message, printed: Mapping[str, int | str]) -> dict[str, Any]:
    """JSON fields of a flat message -> its values. An unknown field would change the hash: it raises."""
    fields: dict[str, Any] = {}
    for name, value in printed.items():
        field = message.by_name.get(name)
        if field is None:
            raise MalformedAnswer(f"{message.name} has a field {name!r}, which this version does not know")
        if isinstance(value, str) != (field.kind == "bytes"):
            raise MalformedAnswer(f"{message.name}.{name} is {value!r}")
        fields[name] = hex_bytes(value) if isinstance(value, str) else value
    return fields


def _ref(block_id: str, header: Mapping[str, Any]) -> BlockRef:
    return BlockRef(
        number=header.get("number", 0),
        block_id=_hash(block_id),
        parent_id=_hash(header.get("parentHash", b"").hex()),
        timestamp_ms=header.get("timestamp", 0),
    )


def _transaction(answer: TransactionAnswer) -> ChainTransaction:
    contract_ret = answer.ret[0].get("contractRet", "DEFAULT") if answer.ret else ""
    plain = not answer.ret or (len(answer.ret) == 1 and answer.ret[0].keys() <= {"contractRet"})
    return ChainTransaction(
        txid=_hash(answer.txid),
        raw_data=hex_bytes(answer.raw_data_hex),
        signatures=tuple(hex_bytes(signature) for signature in answer.signature),
        contract_ret=contract_ret if isinstance(contract_ret, str) else "",
        tail=None if plain and contract_ret in _PLAIN else result_bytes(answer.ret),
    )


def log_of(answer: LogAnswer) -> Log:
    address = hex_bytes(answer.address)
    if len(address) != 20:
        raise MalformedAnswer(f"a log's contract {answer.address!r} is no 20 bytes")
    return Log(address=address, topics=tuple(hex_bytes(topic) for topic in answer.topics), data=hex_bytes(answer.data))


def address_bytes(digits: str) -> bytes:
    """21 bytes. Raises MalformedAnswer."""
    address = hex_bytes(digits)
    if len(address) != 21 or address[0] != ADDRESS_PREFIX:
        raise MalformedAnswer(f"{digits!r} is no hexadecimal Tron address")
    return address


def _hash(digits: str) -> str:
    if len(hex_bytes(digits)) != 32:
        raise MalformedAnswer(f"{digits!r} is no hash of 32 bytes")
    return digits.lower()


def hex_bytes(digits: str) -> bytes:
    """Raises MalformedAnswer."""
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise MalformedAnswer(f"{digits[:80]!r} is no hexadecimal") from error
