"""The devnet by gRPC: six methods from the bytes that the chain keeps, faults of that side alone or of both, and its port."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from core.tron.grpc_messages import BLOCK_EXTENTION, NUMBER, TRANSACTION_INFO_LIST
from core.tron.protobuf import MalformedProtobuf
from core.tron.transactions import HEADER_RAW, SIGNED, txid_of
from gateways.devnet.chain.block_log import UnusableData
from gateways.devnet.in_process import InProcess
from gateways.devnet.node import Config
from gateways.devnet.requests import Silence
from gateways.devnet.rpc import door
from gateways.devnet.rpc.door import Failure
from gateways.devnet.server import Devnet as Server
from tests.gateways.devnet.world import STRANGER, TRX, Devnet
from tests.support.patience import HANG_S, until

ODD = b"\x7a\x01\x78"
"""Field 15, which no Transaction has."""


def ask(devnet: Devnet, call: str, service: str = "Wallet", number: int = 0, name: str = "") -> door.Answered:
    return door.answer(devnet.node, f"/protocol.{service}/{call}", NUMBER.encode({"num": number}), name)


def said(answer: door.Answered, message: Any = BLOCK_EXTENTION) -> Any:
    assert isinstance(answer, bytes)
    return message.read(answer)


@pytest.mark.fast
def test_a_block_is_told_in_its_bytes(devnet: Devnet) -> None:
    """Header, signature, id and each transaction as the chain keeps them; the newest block is one of them."""
    devnet.send_trx(devnet.alice, STRANGER, TRX)
    head = devnet.chain.head
    told = said(ask(devnet, "GetBlockByNum2", number=head.number))
    assert told["blockid"].hex() == head.block_id
    assert told["block_header"] == {"raw_data": head.header_raw, "witness_signature": head.witness_signature}
    [transaction] = told["transactions"]
    assert transaction["transaction"] == head.included[0].transaction.encode("SUCCESS")
    assert transaction["txid"].hex() == head.included[0].transaction.txid
    assert said(ask(devnet, "GetNowBlock2")) == told
    solid = said(ask(devnet, "GetNowBlock2", "WalletSolidity"))
    assert HEADER_RAW.read(solid["block_header"]["raw_data"]).get("number", 0) == devnet.chain.solid.number


@pytest.mark.fast
def test_receipts_are_told_in_order(devnet: Devnet) -> None:
    """One for each transaction, with its block; of an empty or unknown block none, as a message without fields."""
    devnet.send_trx(devnet.alice, STRANGER, TRX)
    head = devnet.chain.head
    told = said(ask(devnet, "GetTransactionInfoByBlockNum", number=head.number), TRANSACTION_INFO_LIST)
    [info] = told["transactionInfo"]
    assert (info["id"].hex(), info["blockNumber"]) == (head.included[0].transaction.txid, head.number)
    for number in (0, head.number + 1):
        assert ask(devnet, "GetTransactionInfoByBlockNum", number=number) == b""
    assert ask(devnet, "GetBlockByNum2", number=head.number + 1) == b""


@pytest.mark.fast
@pytest.mark.parametrize(
    "method", ["/protocol.Wallet/GetAccount", "/protocol.Database/GetNowBlock2", "/GetNowBlock2", "/", "x"]
)
def test_any_other_method_is_not_there(devnet: Devnet, method: str) -> None:
    """UNIMPLEMENTED, as from a node that does not serve it."""
    answered = door.answer(devnet.node, method, b"")
    assert isinstance(answered, Failure)
    assert answered.code == "UNIMPLEMENTED"


@pytest.mark.fast
def test_a_question_that_is_no_message_is_an_error(devnet: Devnet) -> None:
    """INTERNAL, and the node goes on."""
    answered = door.answer(devnet.node, "/protocol.Wallet/GetBlockByNum2", b"\x07")
    assert isinstance(answered, Failure)
    assert answered.code == "INTERNAL"


@pytest.mark.fast
def test_a_fault_strikes_one_side_or_both(devnet: Devnet) -> None:
    """With /grpc before it this side alone, behind a node's name that node alone, without a path whichever comes first."""
    faults = devnet.node.faults
    http = httpx2.Client(base_url="http://devnet", transport=InProcess(devnet.node))
    faults.arm("http_500", path="/grpc/walletsolidity")
    assert http.post("/walletsolidity/getnowblock", json={}).status_code == 200
    assert isinstance(ask(devnet, "GetNowBlock2"), bytes)
    assert ask(devnet, "GetNowBlock2", "WalletSolidity") == Failure("INTERNAL", "HTTP status 500")
    faults.arm("http_500", path="/wallet")
    assert isinstance(ask(devnet, "GetNowBlock2"), bytes)
    assert http.post("/wallet/getnowblock", json={}).status_code == 500
    faults.arm("timeout", path="/node/two", seconds=5)
    assert isinstance(ask(devnet, "GetNowBlock2"), bytes)
    assert isinstance(ask(devnet, "GetNowBlock2", name="one"), bytes)
    assert ask(devnet, "GetNowBlock2", name="two") == Silence(5_000)
    faults.arm("no_block", times=2)
    assert ask(devnet, "GetBlockByNum2", number=1) == b""
    assert http.post("/wallet/getblockbynum", json={"num": 1}).json() == {}
    assert not faults.armed


@pytest.mark.fast
def test_half_a_message_is_garbage(devnet: Devnet) -> None:
    """The bytes are cut in half: no message any more."""
    devnet.node.faults.arm("garbage")
    answered = ask(devnet, "GetNowBlock2")
    assert isinstance(answered, bytes)
    with pytest.raises(MalformedProtobuf):
        BLOCK_EXTENTION.decode(answered, strict=False)


@pytest.mark.fast
def test_unknown_fields_are_kept_in_the_block(devnet: Devnet, tmp_path: Path) -> None:
    """What a sender puts behind his signature is mined, charged for, and there after a restart; its txid is as before."""
    kept = Devnet(data_dir=tmp_path)
    plain = kept.signed(kept.alice, 1, {"to_address": kept.bob.address, "amount": 1})
    http = httpx2.Client(base_url="http://devnet", transport=InProcess(kept.node))
    sent = plain.encode() + ODD
    assert http.post("/wallet/broadcasthex", json={"transaction": sent.hex()}).json()["txid"] == txid_of(plain.raw_data)
    [included] = kept.node.mine().included
    number = kept.chain.head.number
    assert included.outcome.net_used == plain.bandwidth + len(ODD)
    stored = said(ask(kept, "GetBlockByNum2", number=number))["transactions"][0]["transaction"]
    assert stored == plain.encode("SUCCESS") + ODD
    assert SIGNED.read(stored)["raw_data"] == plain.raw_data
    kept.node.close()
    again = Devnet(data_dir=tmp_path)
    assert said(ask(again, "GetBlockByNum2", number=number))["transactions"][0]["transaction"] == stored
    again.node.close()


def dialled(server: Server) -> grpc.Channel:
    return grpc.insecure_channel(server.grpc_url.removeprefix("grpc://"), (("grpc.enable_http_proxy", 0),))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Config(paused=True, grpc_port=0)) as server:
        yield server


def test_the_port_answers_beside_http(server: Server) -> None:
    """The newest block over both, from the one thread in which the node lives; another method is UNIMPLEMENTED."""
    with dialled(server) as channel:
        told = BLOCK_EXTENTION.read(channel.unary_unary("/protocol.Wallet/GetNowBlock2")(b"", timeout=HANG_S))
        http = httpx2.post(f"{server.url}/wallet/getnowblock", json={}, trust_env=False, timeout=HANG_S).json()
        assert told["blockid"].hex() == http["blockID"]
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/protocol.Wallet/GetAccount")(b"", timeout=HANG_S)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_calls_at_once_are_answered_by_one_node(server: Server) -> None:
    """From several threads, each gets its block."""
    numbers = list(range(1, 25)) * 4
    found: list[bool] = []
    with dialled(server) as channel:
        call = channel.unary_unary("/protocol.Wallet/GetBlockByNum2")

        def one(number: int) -> None:
            told = BLOCK_EXTENTION.read(call(NUMBER.encode({"num": number}), timeout=HANG_S))
            found.append(told["blockid"].hex() == server.node.chain.blocks[number].block_id)

        threads = [threading.Thread(target=one, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [True] * len(numbers)


def test_who_is_kept_waiting_is_let_go_when_the_devnet_stops() -> None:
    """A call that hangs ends with the server, and the server's end waits for nobody."""
    with Server(Config(paused=True, grpc_port=0)) as server:
        server.node.faults.arm("timeout", seconds=600)
        channel = dialled(server)
        call = channel.unary_unary("/protocol.Wallet/GetNowBlock2").future(b"", timeout=HANG_S)
        until(lambda: server.node.faults.struck, "the call hangs")
    assert isinstance(call.exception(timeout=HANG_S), grpc.RpcError)
    channel.close()


def test_a_taken_port_is_an_error_that_leaves_nothing_open(server: Server, tmp_path: Path) -> None:
    """OSError names the port; the chain's folder and the HTTP port are free again."""
    taken = int(server.grpc_url.rpartition(":")[2])
    with pytest.raises(OSError, match=str(taken)):
        Server(Config(data_dir=tmp_path, paused=True, grpc_port=taken))
    try:
        with Server(Config(data_dir=tmp_path, paused=True)) as other:
            assert other.grpc_url == ""
    except UnusableData as error:
        raise AssertionError("the folder is still in use") from error


def test_without_a_port_nothing_listens() -> None:
    """gRPC is offered where it is asked for."""
    with Server(Config(paused=True)) as plain:
        assert plain.grpc_url == ""
