"""Faults: what a hostile or broken node does to its answers, armed one by one and struck in the order they were armed.

`times` counts answers that a fault really changed; None means until cleared. `path` is a prefix, or a pattern if it holds
*, ? or [. At most one fault strikes an answer, beside those that show an older state or no internal transactions.
"""

import fnmatch
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from core.tron.address import Address, InvalidAddress
from core.tron.secp256k1 import sha256
from gateways.devnet.chain.chain import LAG_BLOCKS_MAX
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.machine.abi import of_address, of_uint
from gateways.devnet.machine.tether import TRANSFER
from gateways.devnet.requests import NodeAnswer, Silence

BROADCASTS: Final = frozenset({"broadcasttransaction", "broadcasthex"})
HEADS: Final = frozenset({"getnowblock", "getblock", "getblockbylatestnum", "getnodeinfo"})
HOLD_SECONDS: Final = 60
HOLD_SECONDS_MAX: Final = 600
RETURNED_MAX: Final = 256 * 1024 * 1024
NESTED: Final = b"[" * 100_000
"""Lists within lists as JSON, by gRPC groups within groups: whoever reads it level by level runs out of stack."""
SUSPENSION_SLOTS: Final = 9
"""TronGrid's 27 s, in slots: it keeps a breach of the limit in mind for as many blocks whatever the interval."""

MESSAGES: Final[Mapping[str, str]] = {
    "SIGERROR": "Validate signature error: sig error",
    "CONTRACT_VALIDATE_ERROR": "Contract validate error : Validate TransferContract error, balance is not sufficient.",
    "CONTRACT_EXE_ERROR": "Contract execute error : REVERT opcode executed",
    "BANDWITH_ERROR": "Account resource insufficient error.",
    "DUP_TRANSACTION_ERROR": "Dup transaction.",
    "TAPOS_ERROR": "Tapos check error.",
    "TOO_BIG_TRANSACTION_ERROR": "Too big transaction",
    "TRANSACTION_EXPIRATION_ERROR": "Transaction expired",
    "SERVER_BUSY": "Server busy.",
    "NO_CONNECTION": "No connection.",
    "NOT_ENOUGH_EFFECTIVE_CONNECTION": "P2P broadcast failed.",
    "BLOCK_UNSOLIDIFIED": "Block unsolidified.",
    "OTHER_ERROR": "Error: null",
}
"""java-tron's codes for a broadcast that did not succeed, and what it says with each."""

KINDS: Final[Mapping[str, frozenset[str]]] = {
    "http_429": frozenset(),
    "http_500": frozenset(),
    "timeout": frozenset(),
    "drop_connection": frozenset(),
    "garbage": frozenset(),
    "nested": frozenset(),
    "stale": HEADS,
    "lagging": frozenset(),
    "early_solid": frozenset(),
    "slow_call": frozenset({"triggerconstantcontract"}),
    "empty_infos": frozenset({"gettransactioninfobyblocknum"}),
    "heavy_infos": frozenset({"gettransactioninfobyblocknum"}),
    "no_internal": frozenset({"gettransactioninfobyblocknum", "gettransactioninfobyid"}),
    "empty_block": frozenset(),
    "no_block": frozenset(),
    "lite": frozenset(),
    "omit_tx": frozenset(),
    "forge_transfer": frozenset(),
    "accept_then_timeout": BROADCASTS,
    "accept_then_drop": BROADCASTS,
    "accept_then_code": BROADCASTS,
    "reject_code": BROADCASTS,
    "blackhole_tx": BROADCASTS,
    "wrong_txid": BROADCASTS,
    "trx_cache": BROADCASTS,
}
"""Each kind, and the calls it is for where no path is given; none means all, though it strikes only what it can change."""

INSTEAD: Final = ("http_429", "http_500", "timeout", "drop_connection", "slow_call")
BROADCASTING: Final = (
    "reject_code",
    "blackhole_tx",
    "accept_then_timeout",
    "accept_then_drop",
    "accept_then_code",
    "wrong_txid",
)
_DEFAULTS: Final[Mapping[str, dict[str, Any]]] = {
    "accept_then_code": {"code": "OTHER_ERROR"},
    "reject_code": {"code": "SERVER_BUSY"},
    "stale": {"blocks": 20},
    "lagging": {"times": None, "blocks": 5},
    "early_solid": {"times": None, "blocks": 5},
    "trx_cache": {"times": None},
    "no_internal": {"times": None},
    "lite": {"times": None},
}

Answer = Any


class BadFault(ValueError):
    """The fault cannot be armed; the message says why."""


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One armed fault: its kind, and what that kind takes. `seconds` is how long a timeout or a suspension lasts, `txid`
    the transaction that is omitted or whose receipt is forged, `to` and `amount_minor` what the forged log says, `returned`
    how many bytes a contract returned in each heavy receipt, `below` the height under which a lite node has no block.
    """

    kind: str
    times: int | None = 1
    path: str = ""
    code: str = ""
    message: str = ""
    blocks: int = 0
    below: int = 0
    seconds: float | None = None
    txid: str = ""
    to: str = ""
    amount_minor: int = 10**6
    returned: int = 1_000_000

    def concerns(self, path: str) -> bool:
        if not self.path:
            calls = KINDS[self.kind]
            return not calls or path.rsplit("/", 1)[-1].lower() in calls
        if any(sign in self.path for sign in "*?["):
            return fnmatch.fnmatchcase(path, self.path)
        return path.startswith(self.path)


class Faults:
    """What is armed, and what has struck since the last clearing."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.struck: Counter[str] = Counter()
        self._turn = 0
        self._suspended_until_ms = 0

    def arm(self, kind: str, /, **fields: Any) -> Fault:
        """Raises BadFault, msgspec.ValidationError."""
        if kind not in KINDS:
            raise BadFault(f"kind must be one of {', '.join(KINDS)}")
        fault = msgspec.convert({"kind": kind, **_DEFAULTS.get(kind, {}), **fields}, Fault)
        if fault.times is not None and fault.times < 1:
            raise BadFault("times must be 1 or more, or null for ever")
        if fault.code and fault.code not in MESSAGES:
            raise BadFault(f"code must be one of {', '.join(MESSAGES)}")
        if not 0 <= fault.blocks <= LAG_BLOCKS_MAX:
            raise BadFault(f"blocks must be between 0 and {LAG_BLOCKS_MAX}")
        if fault.seconds is not None and not 0 <= fault.seconds <= HOLD_SECONDS_MAX:
            raise BadFault(f"seconds must be between 0 and {HOLD_SECONDS_MAX}")
        if kind == "forge_transfer" and not _is_address(fault.to):
            raise BadFault("to must be the address that the forged Transfer pays, in base58")
        if not 0 <= fault.returned <= RETURNED_MAX:
            raise BadFault(f"returned must be between 0 and {RETURNED_MAX} bytes")
        if not 0 <= fault.amount_minor < 2**256:
            raise BadFault("amount_minor must be between 0 and 2^256 - 1")
        self.armed.append(fault)
        return fault

    def clear(self) -> None:
        self.armed.clear()
        self.struck.clear()
        self._turn = self._suspended_until_ms = 0

    def is_armed(self, kind: str) -> bool:
        return any(fault.kind == kind for fault in self.armed)

    def find(self, *kinds: str, path: str) -> Fault | None:
        """The first armed fault of these kinds that concerns a path."""
        return next((fault for fault in self.armed if fault.kind in kinds and fault.concerns(path)), None)

    def strike(self, fault: Fault) -> None:
        """Count one answer that the fault has changed; after `times` it is spent."""
        self.struck[fault.kind] += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self.armed = [each for each in self.armed if each is not fault]

    def lag(self, path: str, *, asks_head: bool) -> int:
        """How many blocks ago the state is that this answer shows: another backend's every other time, or a stale head's."""
        lag = 0
        fault = self.find("lagging", path=path)
        if fault:
            self._turn += 1
            if self._turn % 2 == 0:
                lag = fault.blocks
                self.strike(fault)
        fault = self.find("stale", path=path)
        if fault and (asks_head or fault.path):
            lag = max(lag, fault.blocks)
            self.strike(fault)
        return lag

    def lead(self, path: str) -> int:
        """How many blocks above the solid one the solid view of this answer reaches, though nobody built on them yet."""
        fault = self.find("early_solid", path=path) if "solidity/" in path else None
        if fault is None:
            return 0
        self.strike(fault)
        return fault.blocks

    def instead(self, path: str, now_ms: int, block_ms: int) -> NodeAnswer | Silence | None:
        """What comes instead of an answer, the request not carried out; None where the node answers."""
        if now_ms < self._suspended_until_ms:
            return _suspension(403, self._suspended_until_ms - now_ms)
        fault = self.find(*INSTEAD, path=path)
        if fault is None:
            return None
        self.strike(fault)
        if fault.kind == "http_429":
            slots_ms = SUSPENSION_SLOTS * block_ms
            suspended_ms = slots_ms if fault.seconds is None else int(fault.seconds * 1000)
            self._suspended_until_ms = now_ms + suspended_ms
            return _suspension(429, suspended_ms)
        if fault.kind == "http_500":
            return NodeAnswer(500, b"<html><body><h1>500 Internal Server Error</h1></body></html>", "text/html")
        if fault.kind == "slow_call":
            message = b"org.tron.core.vm.program.Program$OutOfTimeException : CPU timeout for 'SLOAD' operation executing".hex()
            return NodeAnswer(200, msgspec.json.encode({"result": {"code": "OTHER_ERROR", "message": message}}))
        return silence_of(fault)

    def distort(self, path: str, answer: Answer) -> Answer:
        """The answer, with less or more in it than there is."""
        fault = self.find("no_internal", path=path)
        if fault is not None and (bare := _without_internal(answer)) != answer:
            self.strike(fault)
            answer = bare
        for fault in self.armed:
            if fault.kind in _DISTORTIONS and fault.concerns(path):
                changed = _DISTORTIONS[fault.kind](fault, answer)
                if changed != answer:
                    self.strike(fault)
                    return changed
        return answer

    def garble(self, path: str, body: bytes) -> bytes:
        """The body cut in half, or a bomb in its place, where garbage or nested is armed: the request was carried out."""
        fault = self.find("garbage", "nested", path=path)
        if fault is None:
            return body
        self.strike(fault)
        return NESTED if fault.kind == "nested" else body[: len(body) // 2]


def silence_of(fault: Fault) -> Silence:
    if fault.kind in ("drop_connection", "accept_then_drop"):
        return Silence(0)
    return Silence(int((HOLD_SECONDS if fault.seconds is None else fault.seconds) * 1000))


def another_txid(txid: str) -> str:
    """A txid that is not this one's, and always the same."""
    return sha256(bytes.fromhex(txid)).hex()


def _suspension(status: int, remaining_ms: int) -> NodeAnswer:
    seconds = -(-remaining_ms // 1000)
    sentence = f"The key exceeds the frequency limit(15), and the query server is suspended for {seconds} s"
    return NodeAnswer(status, msgspec.json.encode({"Error": sentence}))


def _without_internal(answer: Answer) -> Answer:
    """Receipts of a node that keeps no internal transactions, as java-tron does unless vm.saveInternalTx says otherwise."""
    if isinstance(answer, list):
        return [_without_internal(info) for info in answer]
    if not isinstance(answer, dict):
        return answer
    return {name: value for name, value in answer.items() if name != "internal_transactions"}


def _empty_infos(_: Fault, answer: Answer) -> Answer:
    return [] if isinstance(answer, list) else answer


def _heavy_infos(fault: Fault, answer: Answer) -> Answer:
    """Receipts of calls that returned a lot: true, and as large as a stranger likes (FAILURES 90)."""
    if not isinstance(answer, list):
        return answer
    return [{**info, "contractResult": ["00" * fault.returned]} for info in answer]


def _empty_block(_: Fault, answer: Answer) -> Answer:
    return _each_block(answer, lambda block: {name: block[name] for name in block if name != "transactions"})


def _no_block(_: Fault, answer: Answer) -> Answer:
    return {} if isinstance(answer, dict) and ("blockID" in answer or "block" in answer) else answer


def _lite(fault: Fault, answer: Answer) -> Answer:
    """Nothing of the blocks below a height but the first, as of a node that was begun from a light snapshot (FAILURES 45)."""
    if isinstance(answer, list):
        return [info for info in answer if info.get("blockNumber", fault.below) >= fault.below]
    if isinstance(answer, dict) and "block_header" in answer:
        number = answer["block_header"]["raw_data"].get("number", 0)
        return {} if 0 < number < fault.below else answer
    return answer


def _omit_tx(fault: Fault, answer: Answer) -> Answer:
    """Without one transaction, the last where none is named: from blocks, from lists of receipts, or by its own id."""
    if isinstance(answer, list):
        return _without(answer, fault.txid, "id")
    if isinstance(answer, dict) and fault.txid and fault.txid in (answer.get("id"), answer.get("txID")):
        return {}

    def omit(block: dict[str, Any]) -> dict[str, Any]:
        left = _without(block.get("transactions", []), fault.txid, "txID")
        return {**block, "transactions": left} if left else _empty_block(fault, block)

    return _each_block(answer, omit)


def _forge_transfer(fault: Fault, answer: Answer) -> Answer:
    """Receipts with one Transfer of USDT that never was: in the last receipt of a list, or in the one named."""
    if isinstance(answer, list) and answer:
        position = next((i for i, info in enumerate(answer) if info.get("id") == fault.txid), -1)
        if fault.txid and position < 0:
            return answer
        return [*answer[:position], _with_log(fault, answer[position]), *answer[position:][1:]]
    if isinstance(answer, dict) and "blockNumber" in answer and fault.txid in ("", answer.get("id")):
        return _with_log(fault, answer)
    return answer


def _with_log(fault: Fault, info: dict[str, Any]) -> dict[str, Any]:
    words = [USDT.evm, Address.from_base58(fault.to).evm]
    topics = [TRANSFER.topic.hex(), *(of_address(word).hex() for word in words)]
    forged = {"address": USDT.evm.hex(), "topics": topics, "data": of_uint(fault.amount_minor).hex()}
    return {**info, "log": [*info.get("log", []), forged]}


def _is_address(text: str) -> bool:
    try:
        Address.from_base58(text)
    except InvalidAddress:
        return False
    return True


def _each_block(answer: Answer, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Answer:
    if not isinstance(answer, dict):
        return answer
    if "blockID" in answer:
        return change(answer)
    return {**answer, "block": [change(block) for block in answer["block"]]} if "block" in answer else answer


def _without(rows: list[dict[str, Any]], txid: str, name: str) -> list[dict[str, Any]]:
    return [row for row in rows if row.get(name) != txid] if txid else rows[:-1]


_DISTORTIONS: Final[Mapping[str, Callable[[Fault, Answer], Answer]]] = {
    "empty_infos": _empty_infos,
    "heavy_infos": _heavy_infos,
    "empty_block": _empty_block,
    "no_block": _no_block,
    "lite": _lite,
    "omit_tx": _omit_tx,
    "forge_transfer": _forge_transfer,
}
