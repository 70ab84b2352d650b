"""The port `Node` with blocks and receipts by gRPC: the bytes as the node stores them; all else is asked over HTTP.

JSON never shows what a stranger put beside the known fields of a transaction (FAILURES 38). By gRPC a block proves itself
whatever is in it, so no second node is needed for its bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from core.ports.chain import UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.chain import Block, BlockRef, Receipt
from core.tron.grpc_messages import NUMBER
from gateways.node_addresses import NodeAddress, shown
from gateways.tron.block_bytes import block_of, ref_of
from gateways.tron.grpc_channel import TOO_LARGE, CallFailed, GrpcChannel
from gateways.tron.node import SUSPENSION_S, Suspended, TronNode, suspension_named
from gateways.tron.node_json import MalformedAnswer, understood
from gateways.tron.receipt_bytes import receipts_of

FULL: Final = "protocol.Wallet"
SOLID: Final = "protocol.WalletSolidity"
BLOCK_BYTES_MAX: Final = 16 * 1024 * 1024
"""A block of 2 MB has a few dozen bytes more for each of its transactions."""
RECEIPTS_TIMEOUTS: Final = 3
"""So many timeouts the receipts of a block may take. That they come on is not seen: the message is there, or it is not."""

_BLOCK, _NEWEST, _RECEIPTS = "GetBlockByNum2", "GetNowBlock2", "GetTransactionInfoByBlockNum"

P = TypeVar("P")


class TooLarge(UnusableAnswer):
    """The answer was cut off at the most that one message may be."""


class Calls(Protocol):
    """What makes the calls to one address; GrpcChannel is one."""

    url: str

    def ask(self, method: str, question: bytes, deadline_s: float) -> bytes:
        """Raises CallFailed."""

    def close(self) -> None: ...


class GrpcNode(TronNode):
    """A TronNode whose blocks and receipts come by gRPC: `full` serves protocol.Wallet, `solidity` protocol.WalletSolidity."""

    def __init__(self, url: str, *, full: Calls, solidity: Calls, timeout_s: float = 10, **others: Any) -> None:
        """`others` are TronNode's."""
        super().__init__(url, timeout_s=timeout_s, **others)
        self._calls: Mapping[str, Calls] = {FULL: full, SOLID: solidity}
        self._of_this_network: set[str] = set()

    def close(self) -> None:
        super().close()
        for calls in self._calls.values():
            calls.close()

    def head(self) -> BlockRef:
        return self._newest_of(FULL)

    def solid(self) -> BlockRef:
        return self._newest_of(SOLID)

    def block(self, number: int) -> Block | None:
        return self._call(FULL, _BLOCK, _number(number), block_of)

    def solid_block(self, number: int) -> Block | None:
        return self._call(SOLID, _BLOCK, _number(number), block_of)

    def receipts(self, number: int) -> Sequence[Receipt]:
        return self._receipts_of(FULL, number)

    def solid_receipts(self, number: int) -> Sequence[Receipt]:
        return self._receipts_of(SOLID, number)

    def _newest_of(self, service: str) -> BlockRef:
        ref = self._call(service, _NEWEST, b"", ref_of)
        if ref is None:
            raise Unavailable(f"the node {self._calls[service].url} has no newest block")
        return ref

    def _receipts_of(self, service: str, number: int) -> Sequence[Receipt]:
        try:
            return self._call(service, _RECEIPTS, _number(number), lambda answer: receipts_of(answer, self._token))
        except TooLarge:  # over HTTP they come in pieces, whatever they weigh
            return super().receipts(number) if service == FULL else super().solid_receipts(number)

    def _call(self, service: str, method: str, question: bytes, meaning: Callable[[bytes], P]) -> P:
        """Ask and understand. Raises Unavailable, whatever the node answers."""
        self._check_network(service)
        return self._asked(service, method, question, meaning)

    def _asked(self, service: str, method: str, question: bytes, meaning: Callable[[bytes], P]) -> P:
        calls = self._calls[service]
        asked = f"{calls.url}/{service}/{method}"
        if remaining := self._suspension_left(calls.url):
            raise Suspended(f"{calls.url} limits our rate: not asked again for {remaining:.0f} s", remaining)
        deadline_s = self._timeout_s * (RECEIPTS_TIMEOUTS if method == _RECEIPTS else 1)
        try:
            answer = calls.ask(f"{service}/{method}", question, deadline_s)
        except CallFailed as failed:
            raise self._meaning(failed, asked, service, method, deadline_s) from failed
        if method != _RECEIPTS and len(answer) > BLOCK_BYTES_MAX:
            raise UnusableAnswer(
                f"{asked} answers with {len(answer)} bytes, and no block has more than {BLOCK_BYTES_MAX}"
            )
        try:
            return understood(meaning, answer)
        except MalformedAnswer as error:
            raise UnusableAnswer(f"{asked} answers something other than what was asked: {error}") from error

    def _meaning(self, failed: CallFailed, asked: str, service: str, method: str, deadline_s: float) -> Unavailable:
        """What gRPC's status says, as the port says it."""
        said = failed.details or "it says nothing more"
        match failed.code:
            case "RESOURCE_EXHAUSTED" if TOO_LARGE in failed.details:
                return TooLarge(f"{asked} answers more than is taken: {said}")
            case "RESOURCE_EXHAUSTED" | "PERMISSION_DENIED":
                seconds = suspension_named(failed.details) or SUSPENSION_S
                self._suspend(self._calls[service].url, seconds)
                return Suspended(f"{asked} limits our rate: {failed.code}, {said}", seconds)
            case "DEADLINE_EXCEEDED":
                sentence = f"{asked} does not answer within {deadline_s:g} s"
                # The block came just before, so the node is there: its receipts are too many, or held back.
                return UnusableAnswer(sentence) if method == _RECEIPTS else Unavailable(sentence)
            case "UNAVAILABLE":
                return Unavailable(f"{asked} cannot be asked: {said}")
            case "UNIMPLEMENTED":
                setting = "COUNTERFOIL_TRON_GRPC_URL" if service == FULL else "COUNTERFOIL_TRON_GRPC_SOLIDITY_URL"
                return Unavailable(
                    f"{asked} is not served there ({said}): name in {setting} where this node serves {service}, or leave its"
                    " gRPC address away, and its blocks are read over HTTP"
                )
            case "UNAUTHENTICATED":
                return Unavailable(f"{asked} wants another API key: {said}. See COUNTERFOIL_TRON_API_KEY")
        return Unavailable(f"{asked} fails with {failed.code}: {said}")

    def _check_network(self, service: str) -> None:
        """Once for each address: its block 0 is the one that the node names over HTTP. Raises Unavailable."""
        if service in self._of_this_network:
            return
        ref = self._asked(service, _BLOCK, b"", ref_of)
        genesis = self.genesis_id()
        if ref is None or ref.block_id != genesis:
            first = ref.block_id if ref else "not at all"
            raise Unavailable(
                f"{self._calls[service].url} has block 0 {first}, and {shown(self.url)} has {genesis}:"
                " the addresses in COUNTERFOIL_TRON_GRPC_URL belong to those in COUNTERFOIL_TRON_NODE_URL, in the same order"
            )
        self._of_this_network.add(service)


def node_at(address: NodeAddress, *, token: bytes) -> TronNode:
    """The node, by gRPC where it has such an address. `token` is whose logs are kept, 20 bytes."""
    if not address.grpc_url:
        return TronNode(address.url, address.solidity_url, address.api_key, token=token)
    return GrpcNode(
        address.url,
        solidity_url=address.solidity_url,
        api_key=address.api_key,
        token=token,
        full=GrpcChannel(address.grpc_url, address.api_key),
        solidity=GrpcChannel(address.grpc_solidity_url, address.api_key),
    )


def _number(number: int) -> bytes:
    return NUMBER.encode({"num": number})
