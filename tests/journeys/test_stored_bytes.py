"""`counterfoil up` with a gRPC address: blocks and receipts come as the node stores them, and JSON is asked for none."""

import tempfile
from pathlib import Path
from typing import Any

import httpx2

from core.tron.address import USDT_MAINNET, Address
from core.tron.transactions import CONTRACT_TYPES, PACKAGE, TRIGGER, contract_of
from gateways.devnet.chain.genesis import DEFAULT_SEED, Genesis
from gateways.devnet.machine import abi
from gateways.devnet.state.transaction import of_raw
from tests.journeys.conftest import Installation, get, post
from tests.support.patience import HANG_S, until

PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
ODD = {"three bytes": b"\x7a\x01\x78", "a group": b"\x7b\x08\x01\x7c", "deep groups": b"\x7b" * 90 + b"\x7c" * 90}
"""Fields that no Transaction has, behind the signature: kept by the node, covered by txTrieRoot, shown by no JSON."""
PREFIX = "somebody's own\n\0/of his/"
"""Before the name of a contract's type: java-tron looks behind the last slash (FAILURES 77)."""
BY_JSON = (
    "/wallet/getbloc[k]",
    "/walletsolidity/getbloc[k]",
    "/walletsolidity/getblockbynum",
    "/wallet/gettransactioninfobyblocknum",
    "/walletsolidity/gettransactioninfobyblocknum",
)
"""What a scanner without gRPC asks. /wallet/getblockbynum is left: it has block 0, which says what network this is."""


def test_a_stranger_s_odd_bytes_pass_with_one_node() -> None:
    """What JSON cannot show is credited, and a payout is paid, by one node and without an alarm (FAILURES 38, 39, 77)."""
    with (
        tempfile.TemporaryDirectory(prefix="cf-grpc-") as folder,
        Installation(Path(folder) / "data", "--devnet-grpc-port", "0", rate_limit="100000/minute") as running,
    ):
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        company = running.company()
        payin = post(company, "/v1/payins", {"client_reference": "odd"})["address"]["tron_address_base58"]
        for path in BY_JSON:
            _devnet(running, "POST", "faults", kind="garbage", times=None, path=path)

        to = Address.from_base58(payin)
        sent = {_send_odd(running, to, 1_000_000 + place, odd) for place, odd in enumerate(ODD.values())}
        sent.add(_send_odd(running, to, 4_000_000, b"", PREFIX))
        until(lambda: _amount(company) == "7.000003", "all four are credited")
        deposits = get(company, "/v1/deposits")["data"]
        assert {(deposit["tx_hash"], deposit["status"]) for deposit in deposits} == {(it, "confirmed") for it in sent}

        post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "5"})
        until(lambda: _states(company) == ["confirmed"], "the payout is confirmed")

        assert httpx2.get(f"{running.api}/readyz", timeout=HANG_S).status_code == 200
        assert _devnet(running, "GET", "faults")["struck"] == {}
        assert "ALARM" not in (running.data / "logs" / "observe.log").read_text()
        assert running.stop() == 0


def _send_odd(running: Installation, to: Address, amount_minor: int, odd: bytes, prefix: str = "") -> str:
    """A funded account pays USDT, with odd bytes behind its signature or another prefix to the type -> the txid."""
    key = Genesis(DEFAULT_SEED, "", 0).accounts[0]
    head = httpx2.post(f"{running.devnet}/wallet/getnowblock", json={}, timeout=HANG_S).json()
    head_id, now_ms = bytes.fromhex(head["blockID"]), int(head["block_header"]["raw_data"]["timestamp"])
    data = abi.selector_of("transfer(address,uint256)") + abi.of_address(to.evm) + abi.of_uint(amount_minor)
    call = {"owner_address": key.address, "contract_address": Address.from_base58(USDT_MAINNET), "data": data}
    contract = contract_of(TRIGGER, call)
    if prefix:
        contract["parameter"]["type_url"] = f"{prefix}{PACKAGE}{CONTRACT_TYPES[TRIGGER].name}"
    raw = {
        "ref_block_bytes": head_id[6:8],
        "ref_block_hash": head_id[8:16],
        "expiration": now_ms + 600_000,
        "timestamp": now_ms,
        "fee_limit": 100_000_000,
        "contract": [contract],
    }
    unsigned = of_raw(raw)
    signed = of_raw(raw, (key.sign(bytes.fromhex(unsigned.txid)),)).encode() + odd
    sent = {"transaction": signed.hex()}
    answer = httpx2.post(f"{running.devnet}/wallet/broadcasthex", json=sent, timeout=HANG_S).json()
    assert answer["result"] is True, answer
    return unsigned.txid


def _devnet(running: Installation, method: str, call: str, **body: Any) -> Any:
    answer = httpx2.request(method, f"{running.devnet}/devnet/{call}", json=body or None, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _amount(company: httpx2.Client) -> str:
    rows = get(company, "/v1/balances")["data"]
    return next((str(row["amount"]) for row in rows if row["code"] == "User_Liability"), "")


def _states(company: httpx2.Client) -> list[str]:
    return [str(payout["state"]) for payout in get(company, "/v1/payouts")["data"]]
