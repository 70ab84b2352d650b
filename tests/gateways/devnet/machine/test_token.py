"""The USDT model behaves as TetherToken does on mainnet, where that surprises too."""

from typing import Any

import pytest

from core.tron.address import TRANSFER_TOPIC
from core.tron.secp256k1 import keccak256
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.machine import abi
from gateways.devnet.machine.machine import Log
from gateways.devnet.machine.tether import EVENTS
from tests.gateways.devnet.world import STRANGER, USDT_1, Devnet

pytestmark = pytest.mark.fast

TOPICS = {
    "Transfer": TRANSFER_TOPIC,
    "AddedBlackList": "42e160154868087d6bfdc0ca23d96a1c1cfa32f1b72ba9ba27b69b98a0d819dc",
    "RemovedBlackList": "d7e9ec6e6ecd65492dce6bf513cd6867560d49544421d0783ddf06e76c24470c",
    "DestroyedBlackFunds": "61e6e66b0d6339b2980aecc6ccc0039736791f0ccde9ed512e789a7fbdd698c6",
    "Issue": "cb8241adb0c3fdb35b70c24ce35c5eb0c17af7431c99f827d44a445ca624176a",
    "Redeem": "702d5967f45f6513a38ffc42d6ba9bf230bd40e8f53b16363c7eb4fd2deb9a44",
    "Deprecate": "cc358699805e9a8b7f77b522628c7cb9abd07d9efb86b6fb616af1609036a99e",
    "Params": "b044a1e409eac5c48e5af22d4af52670dd1a99059537a78b31b48c6500a6354e",
}
SELECTORS = {
    "transfer": "a9059cbb",
    "balanceOf": "70a08231",
    "transferFrom": "23b872dd",
    "approve": "095ea7b3",
    "allowance": "dd62ed3e",
    "decimals": "313ce567",
    "isBlackListed": "e47d6060",
    "basisPointsRate": "dd644f72",
    "maximumFee": "35390714",
    "paused": "5c975abb",
    "deprecated": "0e136b19",
    "addBlackList": "0ecb93c0",
    "removeBlackList": "e4997dc5",
    "destroyBlackFunds": "f3bdc228",
    "pause": "8456cb59",
    "unpause": "3f4ba83a",
    "setParams": "c0324c77",
    "issue": "cc872b66",
    "redeem": "db006a75",
    "deprecate": "0753c30c",
}
TRANSFER = "transfer(address,uint256)"
TRANSFER_FROM = "transferFrom(address,address,uint256)"


def transfers(logs: tuple[Log, ...]) -> list[tuple[bytes, bytes, int]]:
    """(from, to, value) of the Transfer logs."""
    return [
        (log.topics[1][12:], log.topics[2][12:], int.from_bytes(log.data, "big"))
        for log in logs
        if log.topics[0].hex() == TRANSFER_TOPIC
    ]


def test_selectors_and_topics(devnet: Devnet) -> None:
    """The described functions and events have mainnet's selectors and topics."""
    entries = devnet.genesis.contracts[USDT].abi()

    def hashed(entry: dict[str, Any]) -> str:
        types = ",".join(each["type"] for each in entry.get("inputs", []))
        return keccak256(f"{entry['name']}({types})".encode()).hex()

    found = {entry["name"]: hashed(entry)[:8] for entry in entries if entry["type"] == "Function"}
    assert found.items() >= SELECTORS.items()
    assert {event.name: event.topic.hex() for event in EVENTS}.items() >= TOPICS.items()


def test_transfer_returns_false_and_moves_the_money(devnet: Devnet) -> None:
    """A successful transfer returns a zero word, moves the amount, and logs it once."""
    outcome = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 12 * USDT_1).outcome
    assert outcome.returned == bytes(32)
    assert outcome.result == "SUCCESS"
    assert devnet.usdt(STRANGER) == 12 * USDT_1
    assert transfers(outcome.logs) == [(devnet.alice.address.evm, STRANGER.evm, 12 * USDT_1)]
    assert outcome.logs[0].address == USDT.evm


def test_padding_of_an_address_is_ignored(devnet: Devnet) -> None:
    """An address word that carries the 41 prefix pays the same address, and the log's topic is clean."""
    data = abi.selector_of(TRANSFER) + bytes(11) + STRANGER + abi.of_uint(7)
    outcome = devnet.mined(devnet.signed(devnet.alice, 31, {"contract_address": USDT, "data": data})).outcome
    assert devnet.usdt(STRANGER) == 7
    assert outcome.logs[0].topics[2] == bytes(12) + STRANGER.evm


def test_zero_from_anyone_needs_no_allowance(devnet: Devnet) -> None:
    """transferFrom of 0 succeeds for a stranger's address and logs a Transfer: the poisoning that credits nothing."""
    outcome = devnet.send_call(devnet.bob, TRANSFER_FROM, devnet.alice.address.evm, STRANGER.evm, 0).outcome
    assert transfers(outcome.logs) == [(devnet.alice.address.evm, STRANGER.evm, 0)]
    assert outcome.energy_used == 89_039


@pytest.mark.parametrize(
    ("allowance", "left", "energy"),
    [(10 * USDT_1, 7 * USDT_1, 89_325), (2**256 - 1, 2**256 - 1, 65_123)],
    ids=["limited", "unlimited"],
)
def test_transfer_from_uses_the_allowance(devnet: Devnet, allowance: int, left: int, energy: int) -> None:
    """transferFrom returns true and takes from a limited allowance, not from an unlimited one."""
    alice, bob, carol = (key.address.evm for key in (devnet.alice, devnet.bob, devnet.carol))
    approved = devnet.send_call(devnet.alice, "approve(address,uint256)", bob, allowance).outcome
    outcome = devnet.send_call(devnet.bob, TRANSFER_FROM, alice, carol, 3 * USDT_1).outcome
    assert approved.energy_used == 99_764
    assert (outcome.returned, outcome.energy_used) == (abi.of_uint(1), energy)
    assert devnet.read("allowance(address,address)", alice, bob).returned == abi.of_uint(left)


def test_allowance_is_a_limit(devnet: Devnet) -> None:
    """transferFrom beyond the allowance reverts."""
    devnet.send_call(devnet.alice, "approve(address,uint256)", devnet.bob.address.evm, 5)
    outcome = devnet.send_call(devnet.bob, TRANSFER_FROM, devnet.alice.address.evm, STRANGER.evm, 6).outcome
    assert outcome.result == "REVERT"


def test_blacklisted_sender_is_blocked_and_receiver_is_not(devnet: Devnet) -> None:
    """A blacklisted address receives and cannot send."""
    bob = devnet.bob.address.evm
    devnet.send_call(devnet.owner, "addBlackList(address)", bob)
    assert devnet.send_call(devnet.alice, TRANSFER, bob, 1).outcome.result == "SUCCESS"
    blocked = devnet.send_call(devnet.bob, TRANSFER, devnet.alice.address.evm, 1).outcome
    assert (blocked.result, blocked.energy_used) == ("REVERT", 4_466)
    devnet.send_call(devnet.owner, "removeBlackList(address)", bob)
    assert devnet.send_call(devnet.bob, TRANSFER, devnet.alice.address.evm, 1).outcome.result == "SUCCESS"


def test_destroying_moves_money_without_a_transfer(devnet: Devnet) -> None:
    """destroyBlackFunds zeroes a blacklisted balance and the supply by it, and logs no Transfer."""
    supply = int.from_bytes(devnet.read("totalSupply()").returned, "big")
    held = devnet.usdt(devnet.bob.address)
    devnet.send_call(devnet.owner, "addBlackList(address)", devnet.bob.address.evm)
    outcome = devnet.send_call(devnet.owner, "destroyBlackFunds(address)", devnet.bob.address.evm).outcome
    assert transfers(outcome.logs) == []
    assert [log.topics[0].hex() for log in outcome.logs] == [TOPICS["DestroyedBlackFunds"]]
    assert devnet.usdt(devnet.bob.address) == 0
    assert int.from_bytes(devnet.read("totalSupply()").returned, "big") == supply - held


def test_pause_stops_transfers(devnet: Devnet) -> None:
    """While paused every transfer reverts; unpaused it goes on."""
    devnet.send_call(devnet.owner, "pause()")
    assert devnet.read("paused()").returned == abi.of_uint(1)
    assert devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1).outcome.result == "REVERT"
    devnet.send_call(devnet.owner, "unpause()")
    assert devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1).outcome.result == "SUCCESS"


def test_fee_is_taken_from_the_amount(devnet: Devnet) -> None:
    """With the fee on, the first log has the net amount and a second one pays the owner; the fee has a maximum."""
    devnet.send_call(devnet.owner, "setParams(uint256,uint256)", 15, 10)
    alice, bob, owner = (key.address.evm for key in (devnet.alice, devnet.bob, devnet.owner))
    outcome = devnet.send_call(devnet.alice, TRANSFER, bob, 1_000 * USDT_1).outcome
    assert outcome.energy_used == 120_790
    assert transfers(outcome.logs) == [(alice, bob, 998_500_000), (alice, owner, 1_500_000)]
    outcome = devnet.send_call(devnet.alice, TRANSFER, bob, 1_000_000 * USDT_1).outcome
    assert transfers(outcome.logs)[1][2] == 10 * USDT_1


@pytest.mark.parametrize("words", [(20, 1), (1, 50)])
def test_fee_parameters_have_limits(devnet: Devnet, words: tuple[int, int]) -> None:
    """setParams refuses 20 basis points and 50 USDT, and more."""
    assert devnet.send_call(devnet.owner, "setParams(uint256,uint256)", *words).outcome.result == "REVERT"


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("pause()", ()),
        ("addBlackList(address)", (STRANGER.evm,)),
        ("destroyBlackFunds(address)", (STRANGER.evm,)),
        ("setParams(uint256,uint256)", (1, 1)),
        ("issue(uint256)", (1,)),
        ("redeem(uint256)", (1,)),
        ("deprecate(address)", (STRANGER.evm,)),
        ("transferOwnership(address)", (STRANGER.evm,)),
    ],
)
def test_owner_calls_are_the_owners(devnet: Devnet, signature: str, words: tuple[Any, ...]) -> None:
    """Everybody else's call of an owner's function reverts."""
    assert devnet.send_call(devnet.alice, signature, *words).outcome.result == "REVERT"


def test_issue_and_redeem_change_the_supply(devnet: Devnet) -> None:
    """issue and redeem move the owner's balance and the supply, each with a Transfer from or to zero."""
    owner = devnet.owner.address
    before = devnet.usdt(owner)
    issued = devnet.send_call(devnet.owner, "issue(uint256)", 5).outcome
    redeemed = devnet.send_call(devnet.owner, "redeem(uint256)", 3).outcome
    assert devnet.usdt(owner) == before + 2
    assert transfers(issued.logs + redeemed.logs) == [(bytes(20), owner.evm, 5), (owner.evm, bytes(20), 3)]


def test_deprecated_token_forwards_and_fails_without_a_successor(devnet: Devnet) -> None:
    """After deprecate a transfer reverts unless the named contract takes it."""
    devnet.send_call(devnet.owner, "deprecate(address)", devnet.genesis.fake_usdt.evm)
    assert devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1).outcome.result == "REVERT"


@pytest.mark.parametrize(("signature", "text"), [("name()", "Tether USD"), ("symbol()", "USDT")])
def test_fake_token_looks_the_same(devnet: Devnet, signature: str, text: str) -> None:
    """The fake token has USDT's name, symbol and decimals, at another address, with balances of its own."""
    for contract in (USDT, devnet.genesis.fake_usdt):
        returned = devnet.read(signature, contract=contract).returned
        assert returned == abi.of_text(text)
        assert devnet.read("decimals()", contract=contract).returned == abi.of_uint(6)
    devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 9, contract=devnet.genesis.fake_usdt)
    assert devnet.usdt(STRANGER) == 0


def send_to_many(devnet: Devnet, receivers: list[bytes], amounts: list[int]) -> Any:
    words: list[bytes | int] = [USDT.evm, 96, 96 + 32 * (len(receivers) + 1)]
    words += [len(receivers), *receivers, len(amounts), *amounts]
    signature = "send(address,address[],uint256[])"
    return devnet.send_call(devnet.alice, signature, *words, contract=devnet.genesis.multisend, fee_limit=10**9).outcome


def test_multisend_logs_each_payment(devnet: Devnet) -> None:
    """One call pays many from the caller's allowance, one Transfer log each, in order, equal ones too."""
    devnet.send_call(devnet.alice, "approve(address,uint256)", devnet.genesis.multisend.evm, 100)
    alice, bob = devnet.alice.address.evm, devnet.bob.address.evm
    outcome = send_to_many(devnet, [STRANGER.evm, bob, STRANGER.evm], [5, 6, 5])
    assert outcome.result == "SUCCESS"
    assert transfers(outcome.logs) == [(alice, STRANGER.evm, 5), (alice, bob, 6), (alice, STRANGER.evm, 5)]
    assert devnet.usdt(STRANGER) == 10


def test_multisend_is_all_or_none(devnet: Devnet) -> None:
    """When one payment exceeds the allowance, none is made and nothing is logged."""
    devnet.send_call(devnet.alice, "approve(address,uint256)", devnet.genesis.multisend.evm, 10)
    outcome = send_to_many(devnet, [STRANGER.evm, devnet.bob.address.evm], [5, 6])
    assert (outcome.result, outcome.logs, devnet.usdt(STRANGER)) == ("REVERT", (), 0)


@pytest.mark.parametrize("call", [b"", b"\x01", abi.selector_of("mint(uint256)")], ids=["nothing", "a byte", "unknown"])
def test_unknown_calls_revert(devnet: Devnet, call: bytes) -> None:
    """Calldata that names no function reverts."""
    outcome = devnet.mined(devnet.signed(devnet.alice, 31, {"contract_address": USDT, "data": call})).outcome
    assert (outcome.result, outcome.energy_used) == ("REVERT", 3_459)


def test_trx_sent_along_reverts(devnet: Devnet) -> None:
    """USDT takes no TRX: a call with a value reverts and the TRX stays."""
    data = devnet.data(TRANSFER, STRANGER.evm, 1)
    fields = {"contract_address": USDT, "data": data, "call_value": 1_000_000}
    before = devnet.trx(devnet.alice.address) or 0
    outcome = devnet.mined(devnet.signed(devnet.alice, 31, fields)).outcome
    assert outcome.result == "REVERT"
    assert devnet.trx(devnet.alice.address) == before - outcome.fee_sun
