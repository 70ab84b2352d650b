"""Armed faults change answers as told, as often as told, and nothing on the chain that they do not say."""

from typing import Any

import httpx2
import msgspec
import pytest

from gateways.devnet.faults import KINDS, MESSAGES
from gateways.devnet.machine import abi
from tests.gateways.devnet.client import Client
from tests.gateways.devnet.world import STRANGER, TRX

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"


def test_empty_infos(client: Client) -> None:
    """The receipts of a full block are told as [], as often as armed; an empty block's [] is no occasion for it."""
    number = client.busy_block()
    client.arm("empty_infos", times=2)
    assert client.infos(5) == []
    assert [len(client.infos(number)) for _ in range(3)] == [0, 0, 3]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("getblockbynum", {}),
        ("getnowblock", {}),
        ("getblock", {"detail": True}),
        ("getblockbylatestnum", {"num": 1}),
        ("getblockbylimitnext", {}),
    ],
)
def test_empty_block(client: Client, call: str, body: dict[str, Any]) -> None:
    """A full block is told without its transactions, once, in whatever call tells it; its id is the full block's."""
    number = client.busy_block()
    body = {"num": number, "startNum": number, "endNum": number + 1, **body}
    full = client.post(f"/wallet/{call}", **body)
    client.arm("empty_block")
    empty = client.post(f"/wallet/{call}", **body)
    for blocks in (full, empty):
        (block,) = blocks.get("block", [blocks])
        assert block["blockID"] == client.devnet.chain.head.block_id
        assert ("transactions" in block) == (blocks is full)
    assert client.post(f"/wallet/{call}", **body) == full


def test_no_block(client: Client) -> None:
    """A block that exists is told as {}, once."""
    client.arm("no_block")
    assert [bool(client.block(5)) for _ in range(2)] == [False, True]


def test_omit_tx(client: Client) -> None:
    """The last transaction is missing from the block and from its receipts, so that both agree."""
    number = client.busy_block()
    txids = [each["txID"] for each in client.block(number)["transactions"]]
    client.arm("omit_tx", times=2)
    assert [each["txID"] for each in client.block(number)["transactions"]] == txids[:-1]
    assert [each["id"] for each in client.infos(number)] == txids[:-1]
    assert len(client.infos(number)) == 3
    assert client.armed == []


def test_lite_node(client: Client) -> None:
    """Below a height there is no block and no receipt but block 0, and what is above it is as ever."""
    number = client.busy_block()
    client.devnet.node.mine(2)
    client.arm("lite", below=number + 1)
    assert client.block(number) == {}
    assert client.infos(number) == []
    assert client.block(number + 1)["block_header"]["raw_data"]["number"] == number + 1
    assert client.block(0)["blockID"]


def test_omit_one_tx_for_ever(client: Client) -> None:
    """A named transaction is missing from blocks, receipts and its own look-ups until the faults are cleared."""
    number = client.busy_block()
    txid = client.block(number)["transactions"][0]["txID"]
    client.arm("omit_tx", txid=txid, times=None)
    for _ in range(3):
        assert len(client.block(number)["transactions"]) == len(client.infos(number)) == 2
        assert client.post("/wallet/gettransactioninfobyid", value=txid) == {}
        assert client.post("/walletsolidity/gettransactionbyid", value=txid) == {}
    client.http.delete("/devnet/faults")
    assert client.post("/wallet/gettransactioninfobyid", value=txid)["id"] == txid


@pytest.mark.parametrize(("path", "height"), [("/wallet/getnowblock", -20), ("/walletsolidity/getnowblock", -38)])
def test_stale_head(client: Client, path: str, height: int) -> None:
    """The head is told as it was twenty blocks ago, once, and so is the solid block; other calls are not concerned."""
    client.devnet.node.mine(60)
    head = client.devnet.chain.head.number
    client.arm("stale")
    assert client.block(head)["blockID"]
    assert client.post(path)["block_header"]["raw_data"]["number"] == head + height
    assert client.post("/wallet/getnowblock")["block_header"]["raw_data"]["number"] == head


def test_lagging_backend(client: Client) -> None:
    """Every other answer is another backend's: head, look-ups and balances, all from the same number of blocks ago."""
    node = client.devnet.node
    number = client.busy_block()
    node.mine(2)
    client.arm("lagging", blocks=3)
    nodes = {"near": node.chain.head.number, "far": node.chain.head.number - 3}
    for seen in ("near", "far") * 2:
        assert client.post("/wallet/getnowblock")["block_header"]["raw_data"]["number"] == nodes[seen]
    for found in (True, False) * 2:
        assert bool(client.block(number)) == found
    for found in (True, False) * 2:
        assert bool(client.infos(number)) == found
    for found in (True, False) * 2:
        assert bool(client.post("/wallet/getaccount", address=STRANGER.hex())) == found
    solid = [client.post("/walletsolidity/getnowblock")["block_header"]["raw_data"]["number"] for _ in range(2)]
    assert solid[0] - solid[1] == 3


def test_lagging_backend_does_not_know_a_new_reference(client: Client) -> None:
    """A transaction that refers to the head is TAPOS_ERROR to the lagging backend, and welcome to the other."""
    head = client.devnet.chain.head.block_id
    raw = {"ref_block_bytes": bytes.fromhex(head[12:16]), "ref_block_hash": bytes.fromhex(head[16:32])}
    transaction = client.devnet.signed(client.devnet.alice, 1, {"to_address": STRANGER, "amount": TRX}, **raw)
    client.arm("lagging", blocks=1)
    client.post("/wallet/getnowblock")
    assert client.broadcast(transaction)["code"] == "TAPOS_ERROR"
    assert client.broadcast(transaction)["result"]


def test_lag_is_bounded(client: Client) -> None:
    """A backend may lag by up to 200 blocks, and its solid state is still the one of then."""
    client.devnet.node.mine(300)
    client.devnet.send_trx(client.devnet.alice, STRANGER, TRX)
    client.devnet.node.mine(200)
    client.arm("lagging", blocks=200, path="/walletsolidity")
    account = [client.post("/walletsolidity/getaccount", address=STRANGER.hex()) for _ in range(2)]
    assert [bool(each) for each in account] == [True, False]
    assert client.http.post("/devnet/faults", json={"kind": "stale", "blocks": 201}).status_code == 400


def test_rate_limit_in_trongrids_words(client: Client) -> None:
    """A breach is a 429, everything within the suspension a 403, both with TronGrid's sentence; then all is well."""
    client.arm("http_429")
    sentence = "The key exceeds the frequency limit(15), and the query server is suspended for {} s"
    first = client.http.post("/wallet/getnowblock")
    assert (first.status_code, first.json()) == (429, {"Error": sentence.format(27)})
    client.devnet.now_ms += 20_500
    second = client.http.get("/v1/contracts/x/events")
    assert (second.status_code, second.json()) == (403, {"Error": sentence.format(7)})
    client.devnet.now_ms += 6_500
    assert client.http.post("/wallet/getnowblock").status_code == 200


def test_suspension_may_be_none(client: Client) -> None:
    """With seconds 0 only the armed number of answers is a 429."""
    client.arm("http_429", times=2, seconds=0)
    assert [client.http.post("/wallet/getnowblock").status_code for _ in range(3)] == [429, 429, 200]


def test_server_error(client: Client) -> None:
    """A 500 is a proxy's page, not JSON."""
    client.arm("http_500")
    answer = client.http.post("/wallet/getnowblock")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html")
    assert answer.text.startswith("<html>")


def test_garbage(client: Client) -> None:
    """Half of the answer comes, with status 200, and what was asked has been done."""
    client.arm("garbage", path="/wallet/broadcast")
    transaction = client.transfer()
    answer = client.http.post("/wallet/broadcasthex", json={"transaction": transaction.encode().hex()})
    assert answer.status_code == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.content)
    assert client.devnet.chain.pending(transaction.txid)


def test_an_answer_is_a_bomb_of_nesting(client: Client) -> None:
    """Lists stand within lists, deeper than anybody's stack."""
    client.arm("nested")
    answer = client.http.post("/wallet/getnowblock")
    with pytest.raises(RecursionError):
        msgspec.json.decode(answer.content)
    assert client.http.post("/wallet/getnowblock").json()["blockID"]


@pytest.mark.parametrize(
    ("kind", "error", "waited_ms"),
    [
        ("timeout", httpx2.ReadTimeout, 10_000),
        ("drop_connection", httpx2.RemoteProtocolError, 0),
        ("accept_then_timeout", httpx2.ReadTimeout, 10_000),
        ("accept_then_drop", httpx2.RemoteProtocolError, 0),
    ],
)
def test_silence(client: Client, kind: str, error: type[Exception], waited_ms: int) -> None:
    """The client gets no answer; the transaction is in the pool only if the kind says that it was accepted."""
    transaction = client.transfer()
    client.arm(kind)
    with pytest.raises(error):
        client.broadcast(transaction)
    assert client.waited_ms == waited_ms
    assert bool(client.devnet.chain.pending(transaction.txid)) == kind.startswith("accept")
    assert client.armed == []


@pytest.mark.parametrize("code", MESSAGES)
@pytest.mark.parametrize(("kind", "arrives"), [("accept_then_code", True), ("reject_code", False)])
def test_codes(client: Client, kind: str, arrives: bool, code: str) -> None:
    """Every code of java-tron's can be answered, with the transaction in the pool or not, in either broadcast call."""
    for call in ("broadcasthex", "broadcasttransaction"):
        client.arm(kind, code=code)
        transaction = client.transfer()
        if call == "broadcasthex":
            answer = client.broadcast(transaction)
            assert answer["result"] is False
        else:
            raw = client.post(
                "/wallet/createtransaction",
                owner_address=client.devnet.alice.address.hex(),
                to_address=client.devnet.bob.address.hex(),
                amount=1,
            )
            signature = client.devnet.alice.sign(bytes.fromhex(raw["txID"]))
            answer = client.post("/wallet/broadcasttransaction", **raw, signature=[signature.hex()])
            assert "result" not in answer
            assert bytes.fromhex(answer["message"]).decode() == MESSAGES[code]
        assert answer["code"] == code
        assert bool(client.devnet.chain.pending(answer["txid"])) == arrives


def test_refused_is_refused(client: Client) -> None:
    """What the node truly refuses gets its true refusal, and the fault waits for a transaction that is accepted."""
    client.arm("accept_then_drop")
    unsigned = msgspec.structs.replace(client.transfer(), signatures=())
    assert client.broadcast(unsigned)["code"] == "SIGERROR"
    assert len(client.armed) == 1


def test_black_hole(client: Client) -> None:
    """An accepted transaction waits and is never mined, sent again or not, until the faults are cleared."""
    client.arm("blackhole_tx")
    lost, other = client.transfer(), client.transfer()
    assert client.broadcast(lost)["result"]
    assert client.broadcast(other)["result"]
    assert [each.transaction.txid for each in client.devnet.node.mine().included] == [other.txid]
    assert client.broadcast(lost)["code"] == "DUP_TRANSACTION_ERROR"
    client.devnet.node.mine(25)
    assert client.devnet.chain.pending(lost.txid) is None
    assert client.broadcast(lost)["result"]
    assert not client.devnet.node.mine().included
    client.http.delete("/devnet/faults")
    assert client.devnet.node.mine().included


def test_wrong_txid(client: Client) -> None:
    """The answer is a success of another transaction; the one that was sent is in the pool."""
    client.arm("wrong_txid")
    transaction = client.transfer()
    answer = client.broadcast(transaction)
    assert answer["result"]
    assert answer["txid"] != transaction.txid
    assert client.devnet.chain.pending(transaction.txid)


def test_broadcast_cache_hides_a_rejection(client: Client) -> None:
    """With the cache on, a transaction that was refused is DUP the second time, though the node never took it."""
    transaction = client.transfer()
    broke = msgspec.structs.replace(transaction, signatures=())
    client.arm("trx_cache")
    assert client.broadcast(broke)["code"] == "SIGERROR"
    answer = client.broadcast(transaction)
    assert (answer["code"], answer["message"]) == ("DUP_TRANSACTION_ERROR", "Transaction already exists.")
    assert client.devnet.chain.pending(transaction.txid) is None
    client.devnet.now_ms += 3_600_000
    assert client.broadcast(transaction)["result"]


@pytest.mark.parametrize(
    ("path", "hit", "missed"),
    [
        ("/walletsolidity", "/walletsolidity/getnowblock", "/wallet/getnowblock"),
        ("*/getblockbynum", "/wallet/getblockbynum?num=1", "/wallet/getnowblock"),
        ("/v1/", "/v1/blocks/latest/events", "/wallet/getnowblock"),
    ],
)
def test_path_narrows(client: Client, path: str, hit: str, missed: str) -> None:
    """A fault with a path, a prefix or a pattern, strikes there and nowhere else."""
    client.arm("http_500", path=path)
    assert client.http.get(missed).status_code == 200
    assert client.http.get(hit).status_code == 500
    assert client.http.get(hit).status_code == 200


def test_another_node_of_the_same_chain(client: Client) -> None:
    """Behind /node/{name} the same chain answers, and a fault with that path strikes that node alone."""
    head = client.devnet.chain.head
    client.arm("stale", path="/node/b/", times=None)
    for prefix, number in (("", head.number), ("/node/a", head.number), ("/node/b", head.number - 20)):
        block = client.post(f"{prefix}/wallet/getnowblock")
        assert block["block_header"]["raw_data"]["number"] == number
    transaction = client.transfer()
    answer = client.post("/node/a/wallet/broadcasthex", transaction=transaction.encode().hex())
    assert answer["txid"] == transaction.txid
    client.devnet.node.mine()
    client.devnet.send_call(client.devnet.alice, TRANSFER, STRANGER.evm, 1)
    page = client.http.get("/node/a/v1/blocks/latest/events").json()
    assert page["data"][0]["event_name"] == "Transfer"


def test_forged_receipt(client: Client) -> None:
    """A forged Transfer stands in the receipts, of the block and by id, though block and root are the true ones."""
    number = client.busy_block(2)
    honest = client.infos(number)
    txid = honest[0]["id"]
    client.arm("forge_transfer", to=STRANGER.base58, amount_minor=7, txid=txid, path="/node/b/", times=None)
    for path, body in (("gettransactioninfobyblocknum", {"num": number}), ("gettransactioninfobyid", {"value": txid})):
        answer = client.post(f"/node/b/wallet/{path}", **body)
        forged = answer[0] if isinstance(answer, list) else answer
        (log,) = forged.pop("log")
        assert forged == honest[0]
        assert (log["topics"][2], int(log["data"], 16)) == (abi.of_address(STRANGER.evm).hex(), 7)
    assert client.infos(number) == honest


def test_times(client: Client) -> None:
    """A fault strikes once by default, n times, or for ever; what has struck is counted."""
    client.arm("no_block")
    client.arm("no_block", times=2)
    assert [bool(client.block(1)) for _ in range(4)] == [False, False, False, True]
    client.arm("no_block", times=None)
    assert not any(client.block(1) for _ in range(20))
    assert client.http.get("/devnet/faults").json()["struck"] == {"no_block": 23}
    assert client.http.delete("/devnet/faults").json() == {"armed": [], "struck": {}}
    assert client.block(1)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({}, "kind must be one of http_429, http_500"),
        ({"kind": "gremlin"}, "kind must be one of"),
        ({"kind": "timeout", "times": 0}, "times must be 1 or more"),
        ({"kind": "timeout", "times": "two"}, "times"),
        ({"kind": "timeout", "tiems": 2}, "tiems"),
        ({"kind": "forge_transfer", "to": "T"}, "to must be the address"),
        ({"kind": "heavy_infos", "returned": -1}, "returned must be between 0 and"),
        ({"kind": "timeout", "seconds": 601}, "seconds must be between 0 and 600"),
        ({"kind": "reject_code", "code": "NO_SUCH"}, "code must be one of"),
    ],
)
def test_wrong_fault_is_refused(client: Client, fault: dict[str, Any], sentence: str) -> None:
    """A fault that cannot be armed is a 400 with a sentence."""
    answer = client.http.post("/devnet/faults", json=fault)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_every_kind_is_known(client: Client) -> None:
    """The kinds of the contract can all be armed, and are listed with what they will do."""
    for kind in KINDS:
        client.arm(kind, to=STRANGER.base58)
    assert [fault["kind"] for fault in client.armed] == list(KINDS)
    assert client.http.get("/devnet/info").status_code == 200
