"""Over HTTP the devnet answers as java-tron and TronGrid do, quirks included."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from core.tron.address import TRANSFER_TOPIC, USDT_MAINNET, Address
from core.tron.transactions import RAW, SIGNED
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from tests.gateways.devnet.world import STRANGER


class Client:
    """Calls of one devnet; only what it is told to mine is mined."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url)
        self.info = self.get("/devnet/info")
        self.alice, self.bob = (each["address"] for each in self.info["accounts"][:2])

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(path, params=query or None).json()

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body).json()

    def mine(self, blocks: int = 1) -> int:
        head: int = self.post("/devnet/mine", blocks=blocks)["head"]
        return head

    def paid(self, **amounts: str) -> str:
        """A faucet's transaction to the stranger, mined."""
        txid: str = self.post("/devnet/faucet", address=STRANGER.base58, **amounts)["txid"]
        self.mine()
        return txid


@pytest.fixture
def client() -> Iterator[Client]:
    with Devnet(Config(paused=True)) as devnet:
        client = Client(devnet.url)
        yield client
        client.http.close()


def test_info(client: Client) -> None:
    """/devnet/info names ten funded accounts with their keys, the contracts, and mainnet's USDT among them."""
    info = client.info
    assert len(info["accounts"]) == 10
    assert info["contracts"]["usdt"] == USDT_MAINNET
    assert set(info["contracts"]) == {"usdt", "fake_usdt", "multisend", "successor", "misbehaving", "forwarder"}
    assert info["chain_parameters"]["getEnergyFee"] == 100
    account = client.post("/wallet/getaccount", address=info["accounts"][9]["address"], visible=True)
    assert account["balance"] == 1_000_000_000_000


def test_genesis_is_not_mainnets(client: Client) -> None:
    """Block 0 is this devnet's own, has no number (a default), and no receipts ({} below 1)."""
    block = client.post("/wallet/getblockbynum", num=0)
    assert (
        block["blockID"]
        == client.info["genesis_id"]
        != "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc"
    )
    assert "number" not in block["block_header"]["raw_data"]
    assert client.post("/wallet/gettransactioninfobyblocknum", num=0) == {}


@pytest.mark.parametrize(
    ("call", "body", "nothing"),
    [
        ("getblockbynum", {"num": 10**6}, {}),
        ("getblockbyid", {"value": "00" * 32}, {}),
        ("getblockbylimitnext", {"startNum": 10**6, "endNum": 10**6 + 5}, {"block": []}),
        ("getblockbylimitnext", {"startNum": 1, "endNum": 102}, {}),
        ("getblockbylatestnum", {"num": 100}, {}),
        ("gettransactionbyid", {"value": "00" * 32}, {}),
        ("gettransactioninfobyid", {"value": "00" * 32}, {}),
        ("gettransactioninfobyblocknum", {"num": 10**6}, []),
        ("gettransactioninfobyblocknum", {"num": 5}, []),
        ("getaccount", {"address": STRANGER.hex()}, {}),
        ("getaccount", {"address": STRANGER.base58, "visible": True}, {}),
        ("getaccountresource", {"address": STRANGER.hex()}, {}),
        ("getcontract", {"value": STRANGER.hex()}, {}),
        ("getcandelegatedmaxsize", {"owner_address": STRANGER.hex(), "type": 1}, {}),
    ],
)
def test_not_found_is_empty(client: Client, call: str, body: dict[str, Any], nothing: Any) -> None:
    """What does not exist is {} or [], with status 200; an unknown block's receipts look like an empty block's."""
    answer = client.http.post(f"/wallet/{call}", json=body)
    assert (answer.status_code, answer.json()) == (200, nothing)


@pytest.mark.parametrize("form", ["query", "json", "form"])
def test_every_form_of_request(client: Client, form: str) -> None:
    """GET with a query, POST with JSON and POST with a form give the same answer."""
    url = "/wallet/getblockbynum"
    answer = {
        "query": lambda: client.http.get(url, params={"num": "7", "visible": "true"}),
        "json": lambda: client.http.post(url, json={"num": 7, "visible": True}),
        "form": lambda: client.http.post(url, data={"num": "7", "visible": "true"}),
    }[form]().json()
    assert answer["block_header"]["raw_data"]["number"] == 7
    assert answer["block_header"]["raw_data"]["witness_address"].startswith("T")


def test_empty_form_post_answers(client: Client) -> None:
    """A POST with a form's content type and no body, as tronweb sends, is a request without parameters."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.http.post("/wallet/getnowblock", headers=headers).json()["blockID"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            b'{"num": "seven"}',
            "class org.tron.core.services.http.JsonFormat$ParseException : 1:9: Couldn't parse integer",
        ),
        (b"{", "class com.alibaba.fastjson.JSONException"),
        (
            b'{"num": 99999999999999999999}',
            "class org.tron.core.services.http.JsonFormat$ParseException : 1:9: Couldn't parse integer",
        ),
    ],
)
def test_bad_input_is_an_error_with_status_200(client: Client, body: bytes, error: str) -> None:
    """Ill-typed input answers 200 with java-tron's Error object."""
    answer = client.http.post("/wallet/getblockbynum", content=body)
    assert answer.status_code == 200
    assert answer.json()["Error"].startswith(error)


def test_large_body_is_refused(client: Client) -> None:
    """A body above 4 MiB is a 413."""
    assert client.http.post("/wallet/broadcasthex", content=b"{" + b" " * 4 * 1024 * 1024).status_code == 413


def test_unknown_call_is_closed(client: Client) -> None:
    """A call that the node does not offer is no JSON: 405 for a POST, 404 for a GET; /walletsolidity takes no broadcast."""
    for path in ("/wallet/nosuchcall", "/walletsolidity/broadcasthex", "/walletsolidity/getaccountresource"):
        assert [client.http.request(method, path).status_code for method in ("POST", "GET")] == [405, 404]
        assert client.http.post(path).headers["content-type"].startswith("text/html")


def test_receipt_of_usdt(client: Client) -> None:
    """A USDT receipt has mainnet's shape: 20-byte log address without 41, false word, no top-level result, no zero fields."""
    txid = client.paid(usdt="12.5")
    info = client.post("/wallet/gettransactioninfobyid", value=txid)
    assert info == {
        "id": txid,
        "fee": 13_028_500,
        "blockNumber": 29,
        "blockTimeStamp": info["blockTimeStamp"],
        "contractResult": ["00" * 32],
        "contract_address": USDT.hex(),
        "receipt": {
            "energy_fee": 13_028_500,
            "energy_usage_total": 130_285,
            "net_usage": 345,
            "result": "SUCCESS",
            "energy_penalty_total": 100_635,
        },
        "log": [
            {
                "address": USDT.hex()[2:],
                "topics": [TRANSFER_TOPIC, info["log"][0]["topics"][1], STRANGER.hex()[2:].rjust(64, "0")],
                "data": f"{12_500_000:064x}",
            }
        ],
    }
    assert client.post("/wallet/gettransactioninfobyblocknum", num=29) == [info]


def test_receipt_of_trx(client: Client) -> None:
    """A TRX transfer's receipt has no result and an empty contractResult, as mainnet's 3f8b651b… has."""
    info = client.post("/wallet/gettransactioninfobyid", value=client.paid(trx="3"))
    assert info["fee"] == 1_100_000
    assert info["receipt"] == {"net_fee": 100_000}
    assert info["contractResult"] == [""]
    assert not {"result", "log", "contract_address", "resMessage"} & set(info)


def test_receipt_of_a_failure(client: Client) -> None:
    """A reverted call's receipt says FAILED at the top, REVERT inside, and its message in hex, or plain if visible."""
    client.post("/devnet/usdt", blacklist=STRANGER.base58)
    client.mine()
    txid = client.post("/devnet/usdt", destroy=client.bob)["txid"]
    client.mine()
    info = client.post("/wallet/gettransactioninfobyid", value=txid)
    assert (info["result"], info["receipt"]["result"]) == ("FAILED", "REVERT")
    assert info["resMessage"] == "524556455254206f70636f6465206578656375746564"
    assert (
        client.get("/wallet/gettransactioninfobyid", value=txid, visible="true")["resMessage"]
        == "REVERT opcode executed"
    )
    block = client.post("/wallet/getblockbynum", num=info["blockNumber"])
    assert block["transactions"][0]["ret"] == [{"contractRet": "REVERT"}]


def test_visible_prints_base58(client: Client) -> None:
    """With visible=true addresses are base58, in receipts, logs and transactions."""
    txid = client.paid(usdt="1")
    info = client.post("/wallet/gettransactioninfobyid", value=txid, visible=True)
    assert info["contract_address"] == info["log"][0]["address"] == USDT_MAINNET
    value = client.post("/wallet/gettransactionbyid", value=txid, visible=True)["raw_data"]["contract"][0]
    assert value["parameter"]["value"]["contract_address"] == USDT_MAINNET


def test_pending_is_shown_and_is_no_receipt(client: Client) -> None:
    """A waiting transaction is found by gettransactionbyid with its trial's result, and has no receipt."""
    txid = client.post("/devnet/faucet", address=STRANGER.base58, trx="1")["txid"]
    assert client.post("/wallet/gettransactionbyid", value=txid)["ret"] == [{"contractRet": "SUCCESS"}]
    assert client.post("/walletsolidity/gettransactionbyid", value=txid) == {}
    assert client.post("/wallet/gettransactioninfobyid", value=txid) == {}
    assert client.get("/wallet/getpendingsize") == {"pendingSize": 1}
    assert client.get("/wallet/gettransactionlistfrompending") == {"txId": [txid]}


def test_solid_view_lags(client: Client) -> None:
    """/walletsolidity knows blocks, receipts, accounts and token balances as of the solid block only."""
    txid = client.paid(trx="2", usdt="5")
    number = client.post("/wallet/getnowblock")["block_header"]["raw_data"]["number"]
    data = {"owner_address": STRANGER.hex(), "contract_address": USDT.hex(), "function_selector": "balanceOf(address)"}
    data["parameter"] = STRANGER.hex()[2:].rjust(64, "0")

    def balance(view: str) -> int:
        return int(client.post(f"/{view}/triggerconstantcontract", **data)["constant_result"][0], 16)

    assert balance("wallet") == 5_000_000
    assert balance("walletsolidity") == 0
    assert client.post("/walletsolidity/getblockbynum", num=number) == {}
    assert client.post("/walletsolidity/gettransactioninfobyid", value=txid) == {}
    assert client.post("/walletsolidity/getaccount", address=STRANGER.hex()) == {}
    client.mine(18)
    assert client.post("/walletsolidity/getnowblock")["block_header"]["raw_data"]["number"] == number
    assert balance("walletsolidity") == 5_000_000
    assert client.post("/walletsolidity/gettransactioninfobyid", value=txid)["id"] == txid
    assert client.post("/walletsolidity/getaccount", address=STRANGER.hex())["balance"] == 2_000_000


def test_constant_call_reports_energy(client: Client) -> None:
    """A constant transfer tells its energy and penalty; a reverting one is still result true, with message and FAILED."""
    call = {"owner_address": client.alice, "contract_address": USDT_MAINNET, "visible": True}
    call["function_selector"] = "transfer(address,uint256)"
    receiver = STRANGER.hex()[2:].rjust(64, "0")
    answer = client.post("/wallet/triggerconstantcontract", **call, parameter=receiver + f"{1:064x}")
    assert (answer["energy_used"], answer["energy_penalty"]) == (130_285, 100_635)
    answer = client.post("/wallet/triggerconstantcontract", **call, parameter=receiver + f"{10**30:064x}")
    assert answer["result"] == {"result": True, "message": "REVERT opcode executed"}
    assert answer["transaction"]["ret"] == [{"ret": "FAILED"}]
    answer = client.post("/wallet/estimateenergy", **call, parameter=receiver + f"{1:064x}")
    assert answer["energy_required"] == 130_285


def test_contract_info_tells_the_factor(client: Client) -> None:
    """getcontractinfo has USDT's energy factor, and none for a contract that is not busy."""
    info = client.post("/wallet/getcontractinfo", value=USDT.hex())
    assert info["contract_state"]["energy_factor"] == 34_000
    fake = client.post("/wallet/getcontractinfo", value=client.info["contracts"]["fake_usdt"], visible=True)
    assert "energy_factor" not in fake["contract_state"]


def test_chain_parameters_leave_out_zeros(client: Client) -> None:
    """getchainparameters lists mainnet's 80 keys; a value of 0 is absent."""
    rows = {row["key"]: row.get("value") for row in client.get("/wallet/getchainparameters")["chainParameter"]}
    assert len(rows) == 80
    assert (rows["getEnergyFee"], rows["getTransactionFee"], rows["getAllowPBFT"]) == (100, 1_000, None)
    assert rows["getRemoveThePowerOfTheGr"] == -1


def test_building_validates(client: Client) -> None:
    """createtransaction answers an unsigned transaction on the solid block, or the validation error."""
    body = {"owner_address": client.alice, "to_address": client.bob, "visible": True}
    built = client.post("/wallet/createtransaction", **body, amount=5)
    solid = client.post("/walletsolidity/getnowblock")["blockID"]
    assert (built["raw_data"]["ref_block_bytes"], built["raw_data"]["ref_block_hash"]) == (solid[12:16], solid[16:32])
    refused = client.post("/wallet/createtransaction", **body, amount=10**15)
    message = "Validate TransferContract error, balance is not sufficient."
    assert refused == {"Error": f"class org.tron.core.exception.ContractValidateException : {message}"}


def test_broadcast_forms_differ(client: Client) -> None:
    """broadcasttransaction's refusal is hex and without result; broadcasthex's is plain, with result false."""
    alice, bob = (Address.from_base58(each).hex() for each in (client.alice, client.bob))
    unsigned = client.post("/wallet/createtransaction", owner_address=alice, to_address=bob, amount=5)
    refused = client.post("/wallet/broadcasttransaction", **unsigned)
    message = "Validate signature error: miss sig or contract"
    assert refused == {"code": "SIGERROR", "txid": unsigned["txID"], "message": message.encode().hex()}
    data = SIGNED.encode({"raw_data": bytes.fromhex(unsigned["raw_data_hex"])})
    refused = client.post("/wallet/broadcasthex", transaction=data.hex())
    assert (refused["result"], refused["code"], refused["message"]) == (False, "SIGERROR", message)


def test_garbage_is_no_transaction(client: Client) -> None:
    """Bytes that are no Transaction are an Error object, not a verdict."""
    for transaction in ("zz", "0a", "ff" * 40):
        assert "Error" in client.post("/wallet/broadcasthex", transaction=transaction)


@pytest.mark.parametrize(
    ("authority", "is_one"), [(b"\x0a\x03\x0a\x01a", True), (b"\x0a\x01a", False), (b"\xff", False)]
)
def test_an_authority_that_is_none_is_no_transaction(client: Client, authority: bytes, is_one: bool) -> None:
    """What nobody looks at must still be what java-tron can read."""
    raw = RAW.encode({"auths": [authority], "timestamp": 1})
    answer = client.post("/wallet/broadcasthex", transaction=SIGNED.encode({"raw_data": raw}).hex())
    assert ("InvalidProtocolBufferException" in answer.get("Error", "")) != is_one


def test_blocks_by_range(client: Client) -> None:
    """getblockbylimitnext excludes its end; getblockbylatestnum gives the newest; getblock without detail only the header."""
    client.paid(trx="1")
    blocks = client.get("/wallet/getblockbylimitnext", startNum=3, endNum=6)["block"]
    assert [block["block_header"]["raw_data"]["number"] for block in blocks] == [3, 4, 5]
    assert len(client.get("/wallet/getblockbylatestnum", num=4)["block"]) == 4
    assert "transactions" not in client.post("/wallet/getblock", detail=False)
    assert "transactions" in client.post("/wallet/getblock", id_or_num="29", detail=True)


def test_event_pages(client: Client) -> None:
    """TronGrid's events come in pages linked by a fingerprint, without repeats; unconfirmed ones are marked."""
    txids = [client.paid(usdt="1") for _ in range(5)]
    url = f"/v1/contracts/{USDT_MAINNET}/events?event_name=Transfer&limit=2&order_by=block_timestamp,asc"
    seen = []
    while url:
        page = client.get(url)
        seen += [row["transaction_id"] for row in page["data"]]
        assert all(row["_unconfirmed"] for row in page["data"])
        url = page["meta"].get("links", {}).get("next", "")
    assert seen == txids
    assert client.get(f"/v1/contracts/{USDT_MAINNET}/events", only_confirmed="true")["data"] == []
    row = page["data"][-1]
    assert row["result"]["to"] == row["result"]["1"] == "0x" + STRANGER.hex()[2:]
    assert row["result"]["value"] == "1000000"


def test_trc20_rows(client: Client) -> None:
    """An account's TRC-20 history has exactly TronGrid's keys, which name neither block nor log."""
    client.paid(usdt="1.5")
    data = client.get(f"/v1/accounts/{STRANGER.base58}/transactions/trc20", only_to="true")["data"]
    keys = {"transaction_id", "token_info", "block_timestamp", "from", "to", "type", "value"}
    assert [(set(row), row["value"], row["type"]) for row in data] == [(keys, "1500000", "Transfer")]
    assert client.get(f"/v1/accounts/{STRANGER.base58}/transactions/trc20", only_from="true")["data"] == []


def test_limit_above_200(client: Client) -> None:
    """A limit above 200 is a 400 with an empty body."""
    answer = client.http.get(f"/v1/contracts/{USDT_MAINNET}/events", params={"limit": 201})
    assert (answer.status_code, answer.content) == (400, b"")


@pytest.mark.parametrize(
    ("call", "body", "message"),
    [
        ("faucet", {"address": STRANGER.base58}, "give an amount"),
        ("faucet", {"address": STRANGER.base58, "usdt": 1.5}, "as text"),
        ("faucet", {"address": STRANGER.base58, "usdt": "-1"}, "not a decimal amount"),
        ("faucet", {"address": "TZJozAg1ruapycCicgz31GxvYJ1G1qELV7", "trx": "1"}, "starts with byte 0x41"),
        ("faucet", {"trx": "1"}, "address"),
        ("faucet", {"address": STRANGER.base58, "usdt": "900000000000"}, "the faucet has not so much USDT"),
        ("faucet", {"address": STRANGER.base58, "trx": "90000000000"}, "balance is not sufficient"),
        ("mine", {"blocks": 0}, "between 1 and"),
        ("usdt", {}, "name one of pause"),
        ("usdt", {"set_params": [1]}, "set_params takes"),
    ],
)
def test_controls_say_what_is_wrong(client: Client, call: str, body: dict[str, Any], message: str) -> None:
    """A wrong /devnet call is a 400 whose sentence names the mistake."""
    answer = client.http.post(f"/devnet/{call}", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
