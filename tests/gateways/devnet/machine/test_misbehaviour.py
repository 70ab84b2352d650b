"""Contracts that fail in every way, and the token's successor after its deprecation."""

from typing import Any

import httpx2
import pytest

from core.tron.transactions import CONTRACT_RESULTS
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.execution.execution import Outcome
from gateways.devnet.in_process import InProcess
from gateways.devnet.machine import abi
from gateways.devnet.machine.misbehave import AMOUNT
from tests.gateways.devnet.machine.test_token import send_to_many, transfers
from tests.gateways.devnet.world import STRANGER, Devnet

pytestmark = pytest.mark.fast

FEE_LIMIT_SUN = 5_000_000
LIMIT_ENERGY = FEE_LIMIT_SUN // 100
TRANSFER = "transfer(address,uint256)"
TRANSFER_FROM = "transferFrom(address,address,uint256)"
APPROVE = "approve(address,uint256)"


def misbehave(devnet: Devnet, number: int) -> Outcome:
    contract = devnet.genesis.misbehaving
    call = devnet.send_call(devnet.alice, "misbehave(uint256)", number, contract=contract, fee_limit=FEE_LIMIT_SUN)
    return call.outcome


@pytest.mark.parametrize("number", range(2, 16), ids=CONTRACT_RESULTS[2:])
def test_each_contract_result(devnet: Devnet, number: int) -> None:
    """A call ends with each contractResult there is: in the block and the receipt, without logs, with its message."""
    outcome = misbehave(devnet, number)
    assert (outcome.contract_ret, outcome.result) == (CONTRACT_RESULTS[number],) * 2
    assert outcome.logs == ()
    txid = devnet.chain.head.included[0].transaction.txid
    http = httpx2.Client(base_url="http://devnet", transport=InProcess(devnet.node))
    info = http.post("/wallet/gettransactioninfobyid", json={"value": txid, "visible": True}).json()
    assert (info["result"], info["receipt"]["result"]) == ("FAILED", CONTRACT_RESULTS[number])
    assert info["resMessage"] == outcome.message != ""
    assert "log" not in info


@pytest.mark.parametrize("number", range(2, 16), ids=CONTRACT_RESULTS[2:])
def test_failures_pay(devnet: Devnet, number: int) -> None:
    """A revert and a failed transfer pay for what they used; every other failure pays for the whole limit."""
    outcome = misbehave(devnet, number)
    refunds = CONTRACT_RESULTS[number] in ("REVERT", "TRANSFER_FAILED")
    assert (outcome.energy_used < LIMIT_ENERGY) == refunds
    assert outcome.energy_used <= LIMIT_ENERGY
    assert outcome.energy_fee_sun == outcome.energy_used * 100


def test_success_leaves_a_foreign_transfer(devnet: Devnet) -> None:
    """misbehave(1) succeeds and logs a Transfer to its caller, from a contract that is not USDT; nothing moved."""
    before = devnet.usdt(devnet.alice.address)
    outcome = misbehave(devnet, 1)
    assert transfers(outcome.logs)[0][1:] == (devnet.alice.address.evm, AMOUNT)
    assert outcome.logs[0].address == devnet.genesis.misbehaving.evm
    assert devnet.usdt(devnet.alice.address) == before


@pytest.mark.parametrize("number", [0, 16, 2**256 - 1])
def test_unknown_misbehaviour_reverts(devnet: Devnet, number: int) -> None:
    """A number that is no failure's reverts."""
    assert misbehave(devnet, number).result == "REVERT"


def test_kept_failures_are_repeated(kept: Any) -> None:
    """A chain with every failure, opened again, has the same receipts."""
    devnet = Devnet(data_dir=kept)
    for number in range(1, 16):
        misbehave(devnet, number)
    devnet.node.close()
    assert Devnet(data_dir=kept).chain.blocks == devnet.chain.blocks


@pytest.fixture
def deprecated(devnet: Devnet) -> Devnet:
    """USDT has been deprecated in favour of the devnet's successor; Alice had let Bob spend 1,000 before."""
    devnet.send_call(devnet.alice, APPROVE, devnet.bob.address.evm, 1_000)
    devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 50)
    devnet.send_call(devnet.owner, "deprecate(address)", devnet.genesis.successor.evm)
    return devnet


def sent(devnet: Devnet, key: Key, signature: str, *words: bytes | int) -> Outcome:
    return devnet.send_call(key, signature, *words).outcome


def test_forwarded_transfer_moves_the_money_elsewhere(deprecated: Devnet) -> None:
    """After deprecate a transfer succeeds, its only log is the successor's, and both contracts tell the new balance."""
    outcome = sent(deprecated, deprecated.alice, TRANSFER, STRANGER.evm, 7)
    assert outcome.result == "SUCCESS"
    assert [log.address for log in outcome.logs] == [deprecated.genesis.successor.evm]
    assert transfers(outcome.logs) == [(deprecated.alice.address.evm, STRANGER.evm, 7)]
    assert deprecated.usdt(STRANGER) == 57
    balance = deprecated.read("balanceOf(address)", STRANGER.evm, contract=deprecated.genesis.successor)
    assert balance.returned == abi.of_uint(57)


def test_balances_are_taken_over_once(deprecated: Devnet) -> None:
    """A holder who spends everything at the successor has nothing left: the old books do not come back."""
    everything = deprecated.usdt(deprecated.alice.address)
    assert sent(deprecated, deprecated.alice, TRANSFER, STRANGER.evm, everything).result == "SUCCESS"
    assert deprecated.usdt(deprecated.alice.address) == 0
    assert sent(deprecated, deprecated.alice, TRANSFER, STRANGER.evm, 1).result == "REVERT"


def test_forwarded_allowances(deprecated: Devnet) -> None:
    """Allowances given before still hold at the successor, are used up there, and new ones are given there."""
    alice, bob = deprecated.alice.address.evm, deprecated.bob.address.evm
    assert sent(deprecated, deprecated.bob, TRANSFER_FROM, alice, STRANGER.evm, 900).result == "SUCCESS"
    assert sent(deprecated, deprecated.bob, TRANSFER_FROM, alice, STRANGER.evm, 101).result == "REVERT"
    assert sent(deprecated, deprecated.alice, APPROVE, bob, 5_000).result == "SUCCESS"
    assert deprecated.read("allowance(address,address)", alice, bob).returned == abi.of_uint(5_000)
    assert sent(deprecated, deprecated.bob, TRANSFER_FROM, alice, STRANGER.evm, 5_000).result == "SUCCESS"
    assert deprecated.usdt(STRANGER) == 5_950


def test_forwarded_multisend(deprecated: Devnet) -> None:
    """A multisend after deprecate pays each, with the successor's logs."""
    sent(deprecated, deprecated.alice, APPROVE, deprecated.genesis.multisend.evm, 100)
    outcome = send_to_many(deprecated, [STRANGER.evm, STRANGER.evm], [5, 5])
    assert outcome.result == "SUCCESS"
    assert {log.address for log in outcome.logs} == {deprecated.genesis.successor.evm}
    assert deprecated.usdt(STRANGER) == 60


@pytest.mark.parametrize(
    ("signature", "words"),
    [("pause()", ()), ("addBlackList(address)", (b"alice",))],
)
def test_old_token_still_refuses_first(deprecated: Devnet, signature: str, words: tuple[Any, ...]) -> None:
    """A pause or a blacklisting of the old token stops transfers before they are forwarded."""
    alice = deprecated.alice.address.evm
    sent(deprecated, deprecated.owner, signature, *(alice for _ in words))
    assert sent(deprecated, deprecated.alice, TRANSFER, STRANGER.evm, 1).result == "REVERT"


def test_successor_believes_its_predecessor_only(deprecated: Devnet) -> None:
    """Anybody else's transferByLegacy reverts; a holder may call the successor directly."""
    successor = deprecated.genesis.successor
    words = (deprecated.alice.address.evm, STRANGER.evm, 1)
    forged = deprecated.send_call(
        deprecated.bob, "transferByLegacy(address,address,uint256)", *words, contract=successor
    )
    assert forged.outcome.result == "REVERT"
    direct = deprecated.send_call(deprecated.bob, TRANSFER, STRANGER.evm, 1, contract=successor)
    assert direct.outcome.result == "SUCCESS"
    assert deprecated.usdt(STRANGER) == 51


def test_successor_alone_changes_nothing(devnet: Devnet) -> None:
    """Before deprecate USDT's transfers are its own, with its own logs."""
    outcome = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 7).outcome
    assert [log.address for log in outcome.logs] == [USDT.evm]
