"""The ports `Node`, `Network` and `Staking` over HTTP: a java-tron of one's own, or TronGrid.

Reads are exact or refused; a broadcast is never lost.

Everything is asked with visible=false, so that bytes are hex; transactions are sent with broadcasthex, which sends our
bytes instead of packing them anew from JSON (TRON.md 2.6).
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from core.ports.chain import Node, UnusableAnswer
from core.ports.scanning import Cursor, Cursors
from core.ports.unavailable import Unavailable
from core.tron.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    Delegation,
    DelegationIndex,
    Producer,
    Receipt,
    Resource,
)
from core.tron.transactions import RESOURCES, SIGNED, txid_of
from gateways.node_addresses import shown
from gateways.tron.account_json import (
    AccountAnswer,
    AmountAnswer,
    CountAnswer,
    DelegationIndexAnswer,
    DelegationsAnswer,
    MaxSizeAnswer,
    NumberAnswer,
    ResourcesAnswer,
    account_of,
    delegation_index_of,
    delegations_of,
    producer_key_of,
    resources_of,
)
from gateways.tron.node_json import (
    Answer,
    BlockAnswer,
    BroadcastReply,
    CallAnswer,
    MalformedAnswer,
    ParametersAnswer,
    WitnessesAnswer,
    block_of,
    called,
    parameters_of,
    producers_of,
    read,
    text,
    understood,
)
from gateways.tron.pieces import Body, TooMuch, pieces
from gateways.tron.receipt_stream import ReceiptStream

SUSPENSION_S: Final = 30
"""How long TronGrid keeps a key out after a breach, where its answer does not say (TRON.md 3)."""
SUSPENSION_S_MAX: Final = 600

REFUSALS: Final = frozenset(
    {
        "SIGERROR",
        "TAPOS_ERROR",
        "TOO_BIG_TRANSACTION_ERROR",
        "TRANSACTION_EXPIRATION_ERROR",
        "BANDWITH_ERROR",
        "CONTRACT_VALIDATE_ERROR",
        "CONTRACT_EXE_ERROR",
        "SERVER_BUSY",
        "NO_CONNECTION",
        "BLOCK_UNSOLIDIFIED",
    }
)
"""Codes after which the node does not have the transaction from this attempt. All others leave it open (TRON.md 2.7)."""

_SUSPENDED_FOR: Final = re.compile(r"suspended for (\d{1,9}) ?s")

A = TypeVar("A", bound=Answer)
P = TypeVar("P")


class WrongNetwork(Exception):
    """The node follows another chain than this installation; the message names both."""


class Suspended(Unavailable):
    """The node limits our rate: it answers nothing for `seconds`."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class TronNode:
    """`url` serves /wallet, `solidity_url` /walletsolidity (often the same).

    An answer may be as large as it likes, and must go on: PROGRESS_BYTES_MIN in each `timeout_s`. Of receipts the logs of
    `token`, 20 bytes, are kept; empty: every contract's.
    """

    def __init__(
        self,
        url: str,
        solidity_url: str = "",
        api_key: str = "",
        timeout_s: float = 10,
        *,
        token: bytes = b"",
        monotonic: Callable[[], float] = time.monotonic,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = self._url = url.rstrip("/")
        self._solidity_url = (solidity_url or url).rstrip("/")
        self._timeout_s = timeout_s
        self._token = token
        self._monotonic = monotonic
        self._suspended_until: dict[str, float] = {}
        local = (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")
        self._http = httpx2.Client(
            timeout=timeout_s,
            headers={"accept-encoding": "gzip"} | ({"TRON-PRO-API-KEY": api_key} if api_key else {}),
            trust_env=not local,
            limits=httpx2.Limits(max_connections=16, max_keepalive_connections=8, keepalive_expiry=30),
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def head(self) -> BlockRef:
        return self._newest(self._url, "wallet")

    def solid(self) -> BlockRef:
        return self._newest(self._solidity_url, "walletsolidity")

    def genesis_id(self) -> str:
        genesis = self._ask(self._url, "/wallet/getblockbynum", BlockAnswer, lambda block: block.block_id, num=0)
        if not genesis:
            raise Unavailable(
                f"the node {shown(self._url)} does not answer with block 0, which says what network it is on"
            )
        return genesis

    def block(self, number: int) -> Block | None:
        return self._ask(self._url, "/wallet/getblockbynum", BlockAnswer, block_of, num=number)

    def solid_block(self, number: int) -> Block | None:
        return self._ask(self._solidity_url, "/walletsolidity/getblockbynum", BlockAnswer, block_of, num=number)

    def receipts(self, number: int) -> Sequence[Receipt]:
        return self._receipts(self._url, "/wallet/gettransactioninfobyblocknum", num=number)

    def solid_receipts(self, number: int) -> Sequence[Receipt]:
        path = "/walletsolidity/gettransactioninfobyblocknum"
        return self._receipts(self._solidity_url, path, num=number)

    def receipt(self, txid: str) -> Receipt | None:
        return self._receipt(self._url, "/wallet/gettransactioninfobyid", txid)

    def solid_receipt(self, txid: str) -> Receipt | None:
        return self._receipt(self._solidity_url, "/walletsolidity/gettransactioninfobyid", txid)

    def account(self, address: bytes) -> ChainAccount | None:
        return self._ask(self._url, "/wallet/getaccount", AccountAnswer, account_of, address=address.hex())

    def solid_account(self, address: bytes) -> ChainAccount | None:
        path = "/walletsolidity/getaccount"
        return self._ask(self._solidity_url, path, AccountAnswer, account_of, address=address.hex())

    def resources(self, address: bytes) -> AccountResources:
        path = "/wallet/getaccountresource"
        return self._ask(self._url, path, ResourcesAnswer, resources_of, address=address.hex())

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult:
        question = {"owner_address": owner.hex(), "contract_address": contract.hex(), "data": data.hex()}
        return self._view("triggerconstantcontract", CallAnswer, called, solid=solid, **question)

    def chain_parameters(self) -> Mapping[str, int]:
        parameters = self._ask(self._url, "/wallet/getchainparameters", ParametersAnswer, parameters_of)
        if not parameters:
            raise Unavailable(f"the node {shown(self._url)} answers with no chain parameters")
        return parameters

    def delegations(self, owner: bytes, receiver: bytes, *, solid: bool = False) -> Sequence[Delegation]:
        question = {"fromAddress": owner.hex(), "toAddress": receiver.hex()}
        return self._view("getdelegatedresourcev2", DelegationsAnswer, delegations_of, solid=solid, **question)

    def delegation_index(self, address: bytes, *, solid: bool = False) -> DelegationIndex:
        call = "getdelegatedresourceaccountindexv2"
        return self._view(call, DelegationIndexAnswer, delegation_index_of, solid=solid, value=address.hex())

    def delegatable_sun(self, owner: bytes, resource: Resource, *, solid: bool = False) -> int:
        question = {"owner_address": owner.hex(), "type": RESOURCES.index(resource)}
        return self._view("getcandelegatedmaxsize", MaxSizeAnswer, lambda a: a.max_size, solid=solid, **question)

    def unfreezes_left(self, owner: bytes, *, solid: bool = False) -> int:
        question = {"owner_address": owner.hex()}
        return self._view("getavailableunfreezecount", CountAnswer, lambda a: a.count, solid=solid, **question)

    def withdrawable_sun(self, owner: bytes, at_ms: int, *, solid: bool = False) -> int:
        question = {"owner_address": owner.hex(), "timestamp": at_ms}
        return self._view("getcanwithdrawunfreezeamount", AmountAnswer, lambda a: a.amount, solid=solid, **question)

    def next_maintenance_ms(self) -> int:
        at_ms = self._ask(self._url, "/wallet/getnextmaintenancetime", NumberAnswer, lambda answer: answer.num)
        if not at_ms:
            raise Unavailable(f"the node {shown(self._url)} does not say when the next maintenance is")
        return at_ms

    def producers(self) -> Sequence[Producer]:
        producers = self._ask(self._url, "/wallet/listwitnesses", WitnessesAnswer, producers_of)
        if not producers:
            raise Unavailable(f"the node {shown(self._url)} names no producers")
        return producers

    def producer_key(self, address: bytes) -> bytes:
        path = "/wallet/getaccount"
        return self._ask(self._url, path, AccountAnswer, producer_key_of, address=address.hex()) or address

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        """Raises Unavailable only where nothing was sent: the node suspended us before, or took no connection."""
        txid = txid_of(SIGNED.decode(signed).get("raw_data", b""))
        try:
            status, body = self._exchange(self._url, "/wallet/broadcasthex", {"transaction": signed.hex()})
            if status != 200:
                return BroadcastAnswer("unclear", f"HTTP_{status}", _beginning(body, self._url))
            answer = understood(lambda body: read(body, BroadcastReply), body)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise Unavailable(f"the node {shown(self._url)} refuses the connection: {error}") from error
        except (httpx2.HTTPError, TooMuch) as error:
            return BroadcastAnswer("unclear", "NO_ANSWER", str(error) or type(error).__name__)
        except MalformedAnswer as error:
            return BroadcastAnswer("unclear", "MALFORMED_ANSWER", str(error))
        return _verdict(answer, txid)

    def _newest(self, url: str, view: str) -> BlockRef:
        block = self._ask(url, f"/{view}/getblock", BlockAnswer, block_of, detail=False)
        if block is None:
            raise Unavailable(f"the node {shown(url)} has no newest block")
        return block.ref

    def _receipt(self, url: str, path: str, txid: str) -> Receipt | None:
        receipts = self._receipts(url, path, value=txid)
        if not receipts:
            return None
        if len(receipts) != 1 or receipts[0].txid != txid:
            raise Unavailable(f"the node {shown(url)} answered the receipt of {receipts[0].txid} when asked for {txid}")
        return receipts[0]

    def _receipts(self, url: str, path: str, **question: Any) -> Sequence[Receipt]:
        """One receipt or a block's, read while they arrive."""
        with self._named_faults(url, path):
            stream = ReceiptStream(self._token)

            def feed(piece: bytes) -> None:
                understood(stream.feed, piece)

            status, body = self._exchange(url, path, question, feed)
            self._check_status(url, path, status, body)
            return stream.end()

    def _view(self, call: str, kind: type[A], meaning: Callable[[A], P], *, solid: bool, **question: Any) -> P:
        """Ask what both views answer: the head's, or the solid block's."""
        url, view = (self._solidity_url, "walletsolidity") if solid else (self._url, "wallet")
        return self._ask(url, f"/{view}/{call}", kind, meaning, **question)

    def _ask(self, url: str, path: str, kind: type[A], meaning: Callable[[A], P], **question: Any) -> P:
        return self._parsed(url, path, lambda body: meaning(read(body, kind)), **question)

    def _parsed(self, url: str, path: str, parse: Callable[[bytes], P], **question: Any) -> P:
        """Ask and understand. Raises Unavailable for silence, a status other than 200, and what is no such answer."""
        with self._named_faults(url, path):
            status, body = self._exchange(url, path, question)
            self._check_status(url, path, status, body)
            return understood(parse, body)

    @contextlib.contextmanager
    def _named_faults(self, url: str, path: str) -> Iterator[None]:
        """What goes wrong with an answer, as the port says it."""
        try:
            yield
        except TooMuch as error:
            raise UnusableAnswer(f"{shown(url)}{path} does not answer in time or measure: {error}") from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"{shown(url)}{path} does not answer: {error or type(error).__name__}") from error
        except MalformedAnswer as error:
            raise UnusableAnswer(f"{shown(url)}{path} answers something other than what was asked: {error}") from error

    def _check_status(self, url: str, path: str, status: int, body: bytes) -> None:
        if status != 200:
            sentence = f"{shown(url)}{path} answers with status {status}: {_beginning(body, url)}"
            suspended_s = self._suspension_left(url)
            raise Suspended(sentence, suspended_s) if suspended_s else Unavailable(sentence)

    def _exchange(
        self, url: str, path: str, question: Mapping[str, Any], feed: Callable[[bytes], object] | None = None
    ) -> tuple[int, bytes]:
        """POST -> (status, body). `feed` takes a status 200's body in pieces instead. Raises Unavailable while suspended."""
        if remaining := self._suspension_left(url):
            raise Suspended(f"{shown(url)} limits our rate: not asked again for {remaining:.0f} s", remaining)
        content = msgspec.json.encode({**question, "visible": False})
        headers = {"content-type": "application/json"}
        body = Body()
        with self._http.stream("POST", url + path, content=content, headers=headers) as answer:
            take = feed if feed is not None and answer.status_code == 200 else body.take
            for piece in pieces(answer, self._timeout_s, self._monotonic):
                take(piece)
        if answer.status_code in (403, 429):
            self._suspend(url, _suspension_s(answer.headers, bytes(body.whole)))
        return answer.status_code, bytes(body.whole)

    def _suspend(self, url: str, seconds: float) -> None:
        self._suspended_until[url] = self._monotonic() + seconds

    def _suspension_left(self, url: str) -> float:
        return max(0.0, self._suspended_until.get(url, 0.0) - self._monotonic())


def check_network(node: Node, cursors: Cursors, expected: str | None) -> None:
    """Raises WrongNetwork unless block 0 is `expected`, or, without one, what the first node ever asked had."""
    genesis = node.genesis_id()
    if expected is None:
        pinned = cursors.load("genesis")
        if pinned is None:
            cursors.save("genesis", Cursor(0, genesis))
            return
        expected = pinned.block_id
    if genesis != expected:
        raise WrongNetwork(
            f"the node's block 0 is {genesis}, but this installation belongs to the network with {expected}:"
            " check COUNTERFOIL_NETWORK and COUNTERFOIL_TRON_NODE_URL, or use another data folder"
        )


def _verdict(answer: BroadcastReply, txid: str) -> BroadcastAnswer:
    message = text(answer.message)
    if answer.txid and answer.txid.lower() != txid:
        return BroadcastAnswer("unclear", answer.code, f"the node speaks of another transaction, {answer.txid}")
    if answer.result and answer.code in ("", "SUCCESS"):
        return BroadcastAnswer("accepted", "SUCCESS", message)
    if answer.code in REFUSALS and not answer.result:
        return BroadcastAnswer("refused", answer.code, message)
    return BroadcastAnswer("unclear", answer.code, message)


def suspension_named(said: str) -> int:
    """The seconds in a node's sentence about its limit; 0 where it names none."""
    named = _SUSPENDED_FOR.search(said)
    return min(int(named[1]), SUSPENSION_S_MAX) if named else 0


def _suspension_s(headers: httpx2.Headers, body: bytes) -> float:
    """How long the node wants to be left alone: by Retry-After, by its sentence, or as TronGrid does."""
    given = headers.get("retry-after", "")
    if given.isascii() and given.isdigit():
        return min(int(given[:9]), SUSPENSION_S_MAX)
    return suspension_named(body.decode("utf-8", "replace")) or SUSPENSION_S


def _beginning(body: bytes, url: str) -> str:
    """As far as a person reads on; what repeats the path of `url` is not told on: keys of access stand in it."""
    path = urlsplit(url).path.strip("/")
    said = body[:200].decode("utf-8", "replace")
    return said.replace(path, "…") if path else said
