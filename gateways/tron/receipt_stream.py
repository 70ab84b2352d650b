"""Receipts read while they arrive: what is nobody's of ours is dropped on the way, so that no block's weight is our memory.

What a contract returns stands in `contractResult`, and how much that is a stranger chooses: 69 MB in one block were had for
879 TRX (FAILURES 90). Kept are the few fields of a receipt, the logs of one token, and what TRX contracts handed on; a log of
another contract keeps its place alone, since a transfer is named by its log's index.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from core.tron.chain import Log, Receipt
from gateways.tron.internal_transfers import INTERNAL_MAX, InternalTransfers
from gateways.tron.node_json import (
    InternalAnswer,
    LogAnswer,
    MalformedAnswer,
    ReceiptAnswer,
    add_internal,
    log_of,
    receipt_of,
)

FOREIGN: Final = Log(b"", (), b"")
"""In the place of a log of another contract."""
KEPT: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ReceiptAnswer))
TEXT_BYTES_MAX: Final = 4096
"""A longer text is read as an empty one: nothing that concerns us is that long."""
RECEIPT_BYTES_MAX: Final = 65_536
"""Of the kept fields of one receipt, or of one log or internal transaction."""
LOGS_BYTES_MAX: Final = 24 * 1024 * 1024
"""Of the token's logs in one answer: more than the energy of a block can buy."""
TOKENS_MAX: Final = 5_000_000
"""Brackets, commas and colons in one answer."""
DEPTH_MAX: Final = 64

LOG: Final = "log"
INTERNAL: Final = "internal_transactions"
ITEMS: Final = (LOG, INTERNAL)
"""The fields whose lists are read item by item."""

T = TypeVar("T")
_TOKEN: Final = re.compile(rb'["{}\[\],:]')
_IN_TEXT: Final = re.compile(rb'["\\]')
_LOGS: Final = msgspec.json.Decoder(LogAnswer)
_INTERNAL: Final = msgspec.json.Decoder(InternalAnswer)
_RECEIPTS: Final = msgspec.json.Decoder(ReceiptAnswer)


class ReceiptStream:
    """`feed` takes an answer in pieces, `end` gives its receipts. Both raise MalformedAnswer, as soon as it shows."""

    def __init__(self, token: bytes = b"") -> None:
        """`token` is the contract whose logs are kept, 20 bytes; empty: every contract's."""
        self._token = token
        self._receipts: list[Receipt] = []
        self._logs: list[Log] = []
        self._internal = InternalTransfers()
        self._logs_bytes = self._internal_count = self._tokens = 0
        self._begins = bytearray()
        self._open = bytearray()
        """The brackets that are open, the outermost first."""
        self._is_list = self._is_over = False
        self._out = bytearray()
        """The receipt, or the item of a list in it, as far as it is kept."""
        self._receipt = bytearray()
        """The receipt's part before a list, while its items are read."""
        self._key = ""
        """The receipt's field whose value is being read."""
        self._drop = 0
        """Above this depth nothing is kept; 0: all is."""
        self._text: bytearray | None = None
        self._is_long = self._is_escaped = False
        self._is_key_next = False

    def feed(self, piece: bytes) -> None:
        if len(self._begins) < 80:
            self._begins += piece[:80]
        at, end = 0, len(piece)
        while at < end:
            at = self._plain(piece, at, end) if self._text is None else self._within_text(piece, at, end)

    def end(self) -> Sequence[Receipt]:
        """All receipts. {} and [] are none: an empty block, or one that the node does not have."""
        if not self._is_over:
            raise self._malformed("it is cut short" if self._open else "it is no JSON")
        return self._receipts

    def _plain(self, piece: bytes, at: int, end: int) -> int:
        found = _TOKEN.search(piece, at)
        stop = found.start() if found else end
        between = piece[at:stop].strip()
        if between:
            if not self._open:
                raise self._malformed("it is no JSON" if not self._is_over else "something stands behind it")
            self._keep(between)
        if found is None:
            return end
        self._tokens += 1
        if self._tokens > TOKENS_MAX:
            raise self._malformed(f"it has more than {TOKENS_MAX} parts")
        if found[0] == b'"':
            if not self._open:
                raise self._malformed("it is a text")
            self._text, self._is_long = bytearray(), False
        else:
            self._sign(found[0])
        return stop + 1

    def _within_text(self, piece: bytes, at: int, end: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            self._write(piece[at : at + 1])
            return at + 1
        found = _IN_TEXT.search(piece, at)
        stop = found.start() if found else end
        self._write(piece[at:stop])
        if found is None:
            return end
        if found[0] == b"\\":
            self._is_escaped = True
            self._write(b"\\")
        else:
            self._end_text()
        return stop + 1

    def _write(self, part: bytes) -> None:
        assert self._text is not None
        if self._is_long or self._drop:
            return
        if len(self._text) + len(part) > TEXT_BYTES_MAX:
            self._is_long = True
            self._text.clear()
            return
        self._text += part

    def _end_text(self) -> None:
        text, self._text = self._text, None
        assert text is not None
        if self._is_key_next and not self._drop and len(self._open) == self._level:
            if self._is_long:
                raise self._malformed("a field's name is too long")
            self._key = text.decode("utf-8", "replace")
        self._keep(b'"' + bytes(text) + b'"')

    @property
    def _level(self) -> int:
        """The depth of a receipt's fields."""
        return 2 if self._is_list else 1

    def _keep(self, part: bytes) -> None:
        if self._drop:
            return
        self._out += part
        if len(self._out) > RECEIPT_BYTES_MAX:
            raise self._malformed(f"a receipt or an item in it has more than {RECEIPT_BYTES_MAX} bytes that matter")

    def _sign(self, sign: bytes) -> None:
        if sign in b"{[":
            self._open_bracket(sign)
        elif sign in b"}]":
            self._close_bracket(sign)
        elif not self._open:
            raise self._malformed("it is no JSON")
        elif sign == b":":
            self._is_key_next = False
            self._keep(sign)
            if not self._drop and len(self._open) == self._level and self._key not in KEPT:
                self._keep(b"null")
                self._drop = self._level
        else:
            if self._drop and len(self._open) == self._drop:
                self._drop = 0
            self._is_key_next = self._open[-1:] == b"{"
            if self._in_values():
                self._drop = len(
                    self._open
                )  # the first is TRX; what tokens a destroyed contract held is a stranger's to choose
            elif not (self._is_list and len(self._open) == 1) and not self._in_items():
                self._keep(sign)

    def _in_items(self) -> bool:
        """Between the items of one of a receipt's lists."""
        return self._key in ITEMS and len(self._open) == self._level + 1 and self._open[-1:] == b"["

    def _in_values(self) -> bool:
        """Between the values of an internal transaction."""
        return self._key == INTERNAL and len(self._open) == self._level + 3 and self._open[-1:] == b"["

    def _open_bracket(self, sign: bytes) -> None:
        if self._is_over:
            raise self._malformed("something stands behind it")
        if not self._open:
            self._is_list = sign == b"["
        elif self._is_list and len(self._open) == 1 and sign != b"{":
            raise self._malformed("a receipt is a list")
        self._open += sign
        if len(self._open) > DEPTH_MAX:
            raise self._malformed(f"it is nested more than {DEPTH_MAX} deep")
        self._is_key_next = sign == b"{"
        if self._drop:
            return
        if self._in_items():
            self._keep(b"[]")
            self._receipt, self._out = self._out, bytearray()
            if self._key == LOG:
                self._logs = []
            else:
                self._internal = InternalTransfers()
        elif not (self._is_list and len(self._open) == 1):
            self._keep(sign)

    def _close_bracket(self, sign: bytes) -> None:
        if bytes(self._open[-1:]) != (b"{" if sign == b"}" else b"["):
            raise self._malformed("its brackets do not match")
        in_items = not self._drop and self._in_items()
        if self._drop and len(self._open) == self._drop:
            self._drop = 0
        del self._open[-1:]
        self._is_key_next = False
        if in_items:
            if self._out:
                raise self._malformed(f"an item of {self._key} is no object")
            self._out = self._receipt
        elif self._drop:
            return
        elif len(self._open) == self._level - 1 and sign == b"}":
            self._keep(sign)
            self._end_receipt()
        elif self._open:
            self._keep(sign)
            if self._in_items():
                self._end_item()
        elif self._out:
            raise self._malformed("a receipt is no object")
        self._is_over = not self._open

    def _end_item(self) -> None:
        if self._key == LOG:
            self._end_log()
            return
        answer, self._out = self._decoded(_INTERNAL), bytearray()
        if self._internal_count < INTERNAL_MAX:
            self._internal_count += add_internal(self._internal, answer)

    def _end_log(self) -> None:
        answer = self._decoded(_LOGS)
        size, self._out = len(self._out), bytearray()
        if self._token and answer.address.lower() != self._token.hex():
            self._logs.append(FOREIGN)
            return
        self._logs_bytes += size
        if self._logs_bytes > LOGS_BYTES_MAX:
            raise self._malformed(f"the token's logs have more than {LOGS_BYTES_MAX} bytes")
        self._logs.append(log_of(answer))

    def _end_receipt(self) -> None:
        answer = self._decoded(_RECEIPTS)
        logs, self._logs, self._out, self._key = tuple(self._logs), [], bytearray(), ""
        internal, self._internal = self._internal.kept, InternalTransfers()
        if answer.error:
            raise self._malformed(f"it says {answer.error[:200]}")
        receipt = receipt_of(answer)
        if receipt is not None:
            self._receipts.append(msgspec.structs.replace(receipt, logs=logs, internal=internal))
        elif self._is_list:
            raise self._malformed("a receipt in the list has no id")

    def _decoded(self, decoder: msgspec.json.Decoder[T]) -> T:
        try:
            return decoder.decode(self._out)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise self._malformed(str(error)) from error

    def _malformed(self, why: str) -> MalformedAnswer:
        return MalformedAnswer(f"{why}; it begins with {bytes(self._begins[:80]).decode('utf-8', 'replace')!r}")
