"""The running devnet produces blocks by its clock, survives SIGKILL, and serves an official client unmodified."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tronpy import Tron
from tronpy.keys import PrivateKey
from tronpy.providers import HTTPProvider

from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from tests.gateways.devnet.world import STRANGER
from tests.support.patience import HANG_S, until


def get(url: str, path: str) -> Any:
    return httpx2.get(url + path, timeout=HANG_S).json()


def post(url: str, path: str, **body: Any) -> Any:
    return httpx2.post(url + path, json=body, timeout=HANG_S).json()


@pytest.fixture
def running() -> Iterator[Devnet]:
    with Devnet(Config(block_ms=20)) as devnet:
        yield devnet


def test_blocks_come_by_themselves(running: Devnet) -> None:
    """At 20 ms the head and the solid block both advance, and solid follows head by 18 blocks."""
    first = get(running.url, "/devnet/info")
    until(lambda: get(running.url, "/devnet/info")["solid"] > first["head"])
    now = get(running.url, "/devnet/info")
    assert now["head"] - now["solid"] == 18


def test_pause_and_resume(running: Devnet) -> None:
    """Paused, only /devnet/mine adds blocks; resumed, they come by themselves again."""
    paused = post(running.url, "/devnet/pause")["head"]
    assert post(running.url, "/devnet/mine", blocks=3)["head"] == paused + 3
    assert get(running.url, "/devnet/info")["head"] == paused + 3
    post(running.url, "/devnet/resume")
    until(lambda: get(running.url, "/devnet/info")["head"] > paused + 5)


def test_mining_ahead_does_not_stop_production(running: Devnet) -> None:
    """After many blocks at once the chain's time is ahead of the clock's, and blocks still come at their pace."""
    head = post(running.url, "/devnet/mine", blocks=5_000)["head"]
    until(lambda: get(running.url, "/devnet/info")["head"] > head + 10)


def struck(devnet: Devnet) -> dict[str, int]:
    counts: dict[str, int] = get(devnet.url, "/devnet/faults")["struck"]
    return counts


def test_held_request_holds_up_nobody(running: Devnet) -> None:
    """While one client waits for an answer that does not come, others are answered and blocks are produced."""
    post(running.url, "/devnet/faults", kind="timeout")
    address = ("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    with socket.create_connection(address) as held:
        held.sendall(b"POST /wallet/getnowblock HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        until(lambda: struck(running) == {"timeout": 1})
        head = get(running.url, "/devnet/info")["head"]
        until(lambda: get(running.url, "/wallet/getnowblock")["block_header"]["raw_data"]["number"] > head)
        held.setblocking(False)
        with pytest.raises(BlockingIOError):
            held.recv(1)


def test_held_request_ends_by_itself(running: Devnet) -> None:
    """After the armed seconds the connection is cut, without an answer."""
    post(running.url, "/devnet/faults", kind="timeout", seconds=0.05)
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        httpx2.post(running.url + "/wallet/getnowblock", timeout=HANG_S)


def test_held_request_ends_with_the_server() -> None:
    """A devnet that is stopped lets go of a client it keeps waiting."""
    with ThreadPoolExecutor(1) as waiting:
        with Devnet(Config(block_ms=20)) as devnet:
            post(devnet.url, "/devnet/faults", kind="timeout", seconds=600)
            held = waiting.submit(httpx2.post, devnet.url + "/wallet/getnowblock", timeout=HANG_S)
            until(lambda: struck(devnet) == {"timeout": 1})
        error = held.exception()
    assert isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError)


def test_cut_connection(running: Devnet) -> None:
    """A dropped connection is an error to its client; the transaction that was accepted first is mined, and all goes on."""
    node = running.node
    to = {"to_address": STRANGER, "amount": 5}
    transaction = node.sign(node.chain.genesis.accounts[0], 1, to)
    post(running.url, "/devnet/faults", kind="accept_then_drop")
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        post(running.url, "/wallet/broadcasthex", transaction=transaction.encode().hex())
    until(lambda: post(running.url, "/wallet/gettransactioninfobyid", value=transaction.txid))
    assert struck(running) == {"accept_then_drop": 1}


def test_fork_of_a_running_chain(running: Devnet) -> None:
    """A chain that forks while it runs goes on from the new branch at its pace, and becomes solid."""
    until(lambda: get(running.url, "/devnet/info")["head"] > 40)
    answer = post(running.url, "/devnet/reorg", depth=10)
    until(lambda: get(running.url, "/devnet/info")["solid"] > answer["head"])
    block = post(running.url, "/walletsolidity/getblockbynum", num=answer["head"])
    assert block["blockID"] == answer["blocks"][-1]


def test_taken_port_is_an_error(running: Devnet) -> None:
    """A port in use is an OSError at once."""
    with pytest.raises(OSError, match="in use"):
        Devnet(Config(port=int(running.url.rsplit(":", 1)[1])))


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    code = "import sys, pathlib; from gateways.devnet.server import serve; serve(0, 20, pathlib.Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("devnet: http://127.0.0.1:")
    return process, line.split()[1]


def end(process: subprocess.Popen[str], how: signal.Signals) -> int:
    process.send_signal(how)
    code = process.wait(HANG_S)
    assert process.stdout
    process.stdout.close()
    return code


def test_killed_devnet_goes_on(kept: Path) -> None:
    """After SIGKILL every block that was told of is still there, with the same ids and receipts, and the chain grows."""
    process, url = start(kept)
    try:
        txid = post(url, "/devnet/faucet", address=STRANGER.base58, usdt="7")["txid"]
        info = until(lambda: post(url, "/wallet/gettransactioninfobyid", value=txid))
        before = get(url, "/devnet/info")
        block = post(url, "/wallet/getblockbynum", num=before["head"])
    finally:
        end(process, signal.SIGKILL)
    process, url = start(kept)
    try:
        assert get(url, "/devnet/info")["genesis_id"] == before["genesis_id"]
        assert post(url, "/wallet/getblockbynum", num=before["head"]) == block
        assert post(url, "/wallet/gettransactioninfobyid", value=txid) == info
        until(lambda: get(url, "/devnet/info")["solid"] > before["head"])
    finally:
        assert end(process, signal.SIGTERM) == 0


@pytest.fixture
def tron(running: Devnet) -> Tron:
    return Tron(HTTPProvider(running.url))


def test_tronpy_journey(running: Devnet, tron: Tron) -> None:
    """tronpy, unmodified: balance, contract object, TRX with a memo, USDT, receipts, solid receipt, resources."""
    info = get(running.url, "/devnet/info")
    owner, key = info["accounts"][0]["address"], PrivateKey(bytes.fromhex(info["accounts"][0]["private_key"]))
    assert key.public_key.to_base58check_address() == owner
    assert tron.get_account_balance(owner) == 1_000_000
    usdt = tron.get_contract(info["contracts"]["usdt"])
    assert (usdt.functions.symbol(), usdt.functions.decimals()) == ("USDT", 6)
    assert usdt.functions.balanceOf(owner) == 10_000_000_000_000

    sent = tron.trx.transfer(owner, STRANGER.base58, 5).memo("for tea").build().sign(key).broadcast()
    receipt = sent.wait(HANG_S, 0.05)
    assert receipt["fee"] == 2_100_000
    assert tron.get_account(STRANGER.base58)["balance"] == 5

    call = usdt.functions.transfer(STRANGER.base58, 25_000_000).with_owner(owner).fee_limit(20_000_000)
    sent = call.build().sign(key).broadcast()
    receipt = sent.wait(HANG_S, 0.05)
    assert receipt["receipt"]["energy_usage_total"] == 130_285
    assert sent.result(HANG_S, 0.05) is False
    (event,) = usdt.events.Transfer.process_receipt(receipt)
    assert event["args"] == {"from": owner, "to": STRANGER.base58, "value": 25_000_000}
    assert sent.wait(HANG_S, 0.05, solid=True)["id"] == sent.txid
    assert usdt.functions.balanceOf(STRANGER.base58) == 25_000_000
    assert tron.get_bandwidth(owner) == 255
    block = tron.get_block(receipt["blockNumber"])
    assert sent.txid in [each["txID"] for each in block["transactions"]]


def test_tronpy_stakes_and_delegates(running: Devnet, tron: Tron) -> None:
    """tronpy, unmodified, freezes, delegates, takes back and unfreezes; the receiver's USDT costs no TRX meanwhile."""
    info = get(running.url, "/devnet/info")
    (owner, key), (receiver, other) = (
        (each["address"], PrivateKey(bytes.fromhex(each["private_key"]))) for each in info["accounts"][3:5]
    )
    energy_sun, bandwidth_sun = 6_000_000_000, 2_000_000_000

    def done(builder: Any, signer: PrivateKey = key) -> Any:
        return builder.build().sign(signer).broadcast().wait(HANG_S, 0.05)

    done(tron.trx.freeze_balance(owner, bandwidth_sun, "BANDWIDTH"))
    frozen = done(tron.trx.freeze_balance(owner, energy_sun, "ENERGY"))
    assert "result" not in frozen["receipt"]
    assert tron.get_account_resource(owner)["EnergyLimit"] == 66_226
    assert tron.get_can_delegated_max_size(owner, "ENERGY") == {"max_size": energy_sun}

    done(tron.trx.delegate_resource(owner, receiver, energy_sun, "ENERGY"))
    (row,) = tron.get_delegated_resource_v2(owner, receiver)["delegatedResource"]
    assert row == {"from": owner, "to": receiver, "frozen_balance_for_energy": energy_sun}
    index = tron.get_delegated_resource_account_index_v2(owner)
    assert index == {"account": owner, "toAccounts": [receiver]}

    usdt = tron.get_contract(info["contracts"]["usdt"])
    paid = done(usdt.functions.transfer(owner, 1).with_owner(receiver).fee_limit(20_000_000), other)
    assert paid["receipt"]["energy_usage"] == paid["receipt"]["energy_usage_total"] == 64_285
    assert paid.get("fee", 0) == 0

    done(tron.trx.undelegate_resource(owner, receiver, energy_sun, "ENERGY"))
    assert tron.get_delegated_resource_v2(owner, receiver) == {}
    assert tron.get_account_resource(owner)["EnergyUsed"] > 64_000
    assert "EnergyUsed" not in tron.get_account_resource(receiver)
    done(tron.trx.unfreeze_balance(owner, "ENERGY", unfreeze_balance=energy_sun))
    (waiting,) = tron.get_account(owner)["unfrozenV2"]
    assert (waiting["type"], waiting["unfreeze_amount"]) == ("ENERGY", energy_sun)


def test_tronpy_errors(running: Devnet, tron: Tron) -> None:
    """tronpy raises its own errors for what the devnet refuses: unknown account, wrong key, too much, a failing call."""
    from tronpy.exceptions import AddressNotFound, BadSignature, TvmError, ValidationError

    info = get(running.url, "/devnet/info")
    (owner, key), (other, wrong) = (
        (each["address"], PrivateKey(bytes.fromhex(each["private_key"]))) for each in info["accounts"][:2]
    )
    with pytest.raises(AddressNotFound):
        tron.get_account(STRANGER.base58)
    with pytest.raises(ValidationError, match="balance is not sufficient"):
        tron.trx.transfer(owner, other, 10**15).build().sign(key).broadcast()
    transaction = tron.trx.transfer(owner, other, 1).build()
    transaction.set_signature([wrong.sign_msg_hash(bytes.fromhex(transaction.txid)).hex()])
    with pytest.raises(BadSignature, match="not contained of permission"):
        transaction.broadcast()
    usdt = tron.get_contract(info["contracts"]["usdt"])
    call = usdt.functions.transfer(other, 10**20).with_owner(owner).fee_limit(20_000_000)
    with pytest.raises(TvmError, match="REVERT opcode executed"):
        call.build().sign(key).broadcast().result(HANG_S, 0.05)
