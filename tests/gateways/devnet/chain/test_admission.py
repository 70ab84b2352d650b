"""What a broadcast is told: java-tron's codes, its words, and the order in which it looks."""

from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest

from gateways.devnet.chain.genesis import Key
from gateways.devnet.in_process import InProcess
from gateways.devnet.state.accounts import ALL_OPERATIONS
from gateways.devnet.state.transaction import Transaction
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

DAY_MS = 86_400_000


def transfer(devnet: Devnet, amount_sun: int = TRX, **raw: Any) -> Transaction:
    signed: Transaction = devnet.signed(
        devnet.alice, 1, {"to_address": devnet.bob.address, "amount": amount_sun}, **raw
    )
    return signed


def extended(transaction: Transaction, behind: bytes) -> Transaction:
    return resigned(transaction, transaction.signatures[0] + behind)


def ended(transaction: Transaction, version: int) -> Transaction:
    return resigned(transaction, transaction.signatures[0][:64] + bytes([version]))


def resigned(transaction: Transaction, *signatures: bytes) -> Transaction:
    return msgspec.structs.replace(transaction, signatures=signatures)


def by_wrong_key(devnet: Devnet) -> Transaction:
    transaction = transfer(devnet)
    return resigned(transaction, devnet.bob.sign(bytes.fromhex(transaction.txid)))


def twice_signed(devnet: Devnet) -> Transaction:
    transaction = transfer(devnet)
    return resigned(transaction, *transaction.signatures * 2)


def on_a_foreign_block(devnet: Devnet) -> Transaction:
    return transfer(devnet, ref_block_hash=bytes(8))


def mined_before(devnet: Devnet) -> Transaction:
    return devnet.mined(transfer(devnet)).transaction


def pending_already(devnet: Devnet) -> Transaction:
    transaction = transfer(devnet)
    assert devnet.node.broadcast(transaction).accepted
    return transaction


def from_nobody(devnet: Devnet) -> Transaction:
    fields = {"to_address": devnet.bob.address, "amount": TRX}
    signed: Transaction = devnet.signed(Key("a stranger's seed", "key"), 1, fields)
    return signed


def without_money(devnet: Devnet) -> Transaction:
    devnet.send_trx(devnet.carol, devnet.owner.address, (devnet.trx(devnet.carol.address) or 0) - 300)
    signed: Transaction = devnet.signed(devnet.carol, 1, {"to_address": STRANGER, "amount": 1})
    return signed


REFUSED: list[tuple[str, Callable[[Devnet], Transaction], str, str]] = [
    ("expired", lambda d: transfer(d, expiration=d.chain.head.timestamp_ms), "TRANSACTION_EXPIRATION_ERROR", "expired"),
    (
        "before the next slot",
        lambda d: transfer(d, expiration=d.chain.next_slot_ms - 1),
        "TRANSACTION_EXPIRATION_ERROR",
        "Transaction expired",
    ),
    (
        "a day and more",
        lambda d: transfer(d, expiration=d.chain.head.timestamp_ms + DAY_MS + 1),
        "TRANSACTION_EXPIRATION_ERROR",
        "Transaction expired",
    ),
    ("unsigned", lambda d: resigned(transfer(d)), "SIGERROR", "miss sig or contract"),
    ("short signature", lambda d: resigned(transfer(d), b"\x01" * 64), "SIGERROR", "Signature size is 64"),
    ("wrong key", by_wrong_key, "SIGERROR", "but it is not contained of permission."),
    ("signed twice", twice_signed, "SIGERROR", "Signature count is 2 more than key counts of permission : 1"),
    ("too many signatures", lambda d: resigned(transfer(d), *[bytes(65)] * 6), "SIGERROR", "too many signatures"),
    ("unknown block", on_a_foreign_block, "TAPOS_ERROR", "Tapos check error."),
    ("long reference", lambda d: transfer(d, ref_block_bytes=bytes(3)), "TAPOS_ERROR", "Tapos check error."),
    (
        "too big",
        lambda d: transfer(d, data=bytes(500 * 1024)),
        "TOO_BIG_TRANSACTION_ERROR",
        "Too big transaction with result",
    ),
    ("mined before", mined_before, "DUP_TRANSACTION_ERROR", "Dup transaction."),
    ("pending", pending_already, "DUP_TRANSACTION_ERROR", "Dup transaction."),
    ("owner without account", from_nobody, "CONTRACT_VALIDATE_ERROR", "does not exist"),
    ("fee not payable", without_money, "BANDWITH_ERROR", "Account resource insufficient error."),
    ("amount 0", lambda d: transfer(d, 0), "CONTRACT_VALIDATE_ERROR", "Amount must be greater than 0."),
    ("beyond the balance", lambda d: transfer(d, 10**15), "CONTRACT_VALIDATE_ERROR", "balance is not sufficient."),
    (
        "to itself",
        lambda d: d.signed(d.alice, 1, {"to_address": d.alice.address, "amount": 1}),
        "CONTRACT_VALIDATE_ERROR",
        "Cannot transfer TRX to yourself.",
    ),
    (
        "no contract there",
        lambda d: d.signed(d.alice, 31, {"contract_address": STRANGER}),
        "CONTRACT_VALIDATE_ERROR",
        "No contract or not a smart contract",
    ),
    (
        "fee limit above the maximum",
        lambda d: d.signed(d.alice, 31, {"contract_address": d.genesis.fake_usdt}, fee_limit=15_000_000_001),
        "CONTRACT_VALIDATE_ERROR",
        "feeLimit must be >= 0 and <= 15000000000",
    ),
    (
        "large creation",
        lambda d: d.signed(d.alice, 1, {"to_address": STRANGER, "amount": 1}, data=bytes(1000)),
        "TOO_BIG_TRANSACTION_ERROR",
        "Too big new account transaction",
    ),
    (
        "creation with much behind its signature",
        lambda d: extended(d.signed(d.alice, 1, {"to_address": STRANGER, "amount": 1}), bytes(935)),
        "TOO_BIG_TRANSACTION_ERROR",
        "Too big new account transaction",
    ),
    (
        "a recovery id of a point that is none",
        lambda d: ended(transfer(d), 2),
        "SIGERROR",
        "Validate signature error: java.security.SignatureException: Could not recover public key from signature",
    ),
    (
        "a last byte that no signature has",
        lambda d: ended(transfer(d), 26),
        "SIGERROR",
        "Validate signature error: java.security.SignatureException: Header byte out of range: 53",
    ),
]


@pytest.mark.parametrize(("name", "make", "code", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refusal(devnet: Devnet, name: str, make: Callable[[Devnet], Transaction], code: str, message: str) -> None:
    """A transaction that breaks this rule is refused with java-tron's code and words, and the pool is as before."""
    transaction = make(devnet)
    waiting = len(devnet.chain.pool)
    verdict = devnet.node.broadcast(transaction)
    assert verdict.code == code
    assert message in verdict.message
    assert len(devnet.chain.pool) == waiting


def test_first_reason_is_told(devnet: Devnet) -> None:
    """Of several faults the earliest in java-tron's order is told: expiration, signature, TAPOS, then the balance."""
    faults = {"expiration": devnet.chain.head.timestamp_ms, "ref_block_hash": bytes(8)}
    transaction = resigned(transfer(devnet, 10**15, **faults))
    assert devnet.node.broadcast(transaction).code == "TRANSACTION_EXPIRATION_ERROR"
    del faults["expiration"]
    transaction = transfer(devnet, 10**15, **faults)
    assert devnet.node.broadcast(resigned(transaction)).code == "SIGERROR"
    assert devnet.node.broadcast(transaction).code == "TAPOS_ERROR"


@pytest.mark.parametrize("version", [0, 27])
def test_both_recovery_forms_are_good(devnet: Devnet, version: int) -> None:
    """A signature's last byte may be 0 or 1, or 27 or 28."""
    transaction = transfer(devnet)
    signature = transaction.signatures[0]
    devnet.mined(resigned(transaction, signature[:64] + bytes([signature[64] + version])))


def test_reference_may_be_old(devnet: Devnet) -> None:
    """Any block of this chain among the last 65,536 is a good reference; genesis too while it is among them."""
    genesis = devnet.chain.blocks[0].block_id
    reference = {"ref_block_bytes": bytes(2), "ref_block_hash": bytes.fromhex(genesis[16:32])}
    devnet.mined(transfer(devnet, **reference))


def test_trial_sees_what_waits(devnet: Devnet) -> None:
    """A second spending of money already promised to a waiting transaction is refused before any block."""
    balance = devnet.trx(devnet.alice.address) or 0
    assert devnet.node.broadcast(transfer(devnet, balance - TRX)).accepted
    assert devnet.node.broadcast(transfer(devnet, balance - TRX)).code == "CONTRACT_VALIDATE_ERROR"


def test_failing_call_is_admitted(devnet: Devnet) -> None:
    """A call that will revert is accepted, mined and pays: acceptance says nothing about execution."""
    included = devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER.evm, 10**30)
    assert included.outcome.contract_ret == "REVERT"


def test_waiting_ends_after_a_minute() -> None:
    """What no block could take is dropped from the pool after 60 s, and may then be broadcast again."""
    devnet = Devnet()
    transaction = transfer(devnet)
    devnet.node.broadcast(transaction)
    pool = devnet.chain.pool
    pool.rebase((), devnet.chain.context, devnet.chain.next_slot_ms, devnet.now_ms + 59_999)
    assert pool.find(transaction.txid)
    pool.rebase((), devnet.chain.context, devnet.chain.next_slot_ms, devnet.now_ms + 60_000)
    assert pool.find(transaction.txid) is None
    assert devnet.node.broadcast(transaction).accepted


def test_waiting_time_follows_the_interval() -> None:
    """The 60 s are twenty slots: at 50 ms a block, what waits is dropped after one second."""
    devnet = Devnet(block_ms=50)
    transaction = transfer(devnet)
    assert devnet.node.broadcast(transaction).accepted
    devnet.node.withhold(transaction.txid)
    devnet.node.mine(19)
    assert devnet.chain.pending(transaction.txid)
    devnet.now_ms += 1_000
    devnet.node.mine()
    assert devnet.chain.pending(transaction.txid) is None


def test_expired_while_waiting_is_not_mined(devnet: Devnet) -> None:
    """A transaction whose expiration lies before the next slot is left out of the block."""
    transaction = transfer(devnet, expiration=devnet.chain.next_slot_ms)
    assert devnet.node.broadcast(transaction).accepted
    assert devnet.node.mine().included[0].transaction == transaction
    late = transfer(devnet, expiration=devnet.chain.next_slot_ms)
    assert devnet.node.broadcast(late).accepted
    devnet.chain.pool.rebase((), devnet.chain.context, devnet.chain.next_slot_ms + 3_000, devnet.now_ms)
    assert not devnet.node.mine().included


def test_block_may_be_later_than_the_expiration(devnet: Devnet) -> None:
    """After missed slots a block's own time may exceed the expiration of what it includes: the parent's counts."""
    transaction = transfer(devnet, expiration=devnet.chain.next_slot_ms)
    assert devnet.node.broadcast(transaction).accepted
    devnet.now_ms += 30_000
    block = devnet.node.mine()
    assert block.included[0].transaction == transaction
    assert block.timestamp_ms > transaction.expiration_ms


def test_pool_is_bounded(devnet: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full pool answers SERVER_BUSY."""
    monkeypatch.setattr("gateways.devnet.chain.pool.PENDING_MAX", 1)
    assert devnet.node.broadcast(transfer(devnet)).accepted
    assert devnet.node.broadcast(transfer(devnet)).code == "SERVER_BUSY"


def test_changed_owner_permission_decides(devnet: Devnet) -> None:
    """After a permission update the old key is refused, the new one signs, and the update cost 100 TRX."""
    keys = [{"address": devnet.bob.address, "weight": 1}]
    update = {
        "owner": {"permission_name": "owner", "threshold": 1, "keys": keys},
        "actives": [
            {"type": 2, "permission_name": "active", "threshold": 1, "keys": keys, "operations": ALL_OPERATIONS}
        ],
    }
    included = devnet.mined(devnet.signed(devnet.alice, 46, update))
    assert included.outcome.fee_sun == 100 * TRX
    transaction = transfer(devnet)
    assert devnet.node.broadcast(transaction).code == "SIGERROR"
    devnet.mined(resigned(transaction, devnet.bob.sign(bytes.fromhex(transaction.txid))))


def test_hijacked_wallet_shows_its_new_owner() -> None:
    """An owner permission changed by a stolen key stands in getaccount from that block on, in the solid view 18 later."""
    devnet = Devnet()
    http = httpx2.Client(base_url="http://devnet", transport=InProcess(devnet.node))
    alice, thief = devnet.alice.address, devnet.carol.address

    def owners(view: str) -> list[str]:
        account = http.post(f"/{view}/getaccount", json={"address": alice.base58, "visible": True}).json()
        return [key["address"] for key in account["owner_permission"]["keys"]]

    assert owners("wallet") == [alice.base58]
    permission = {"permission_name": "owner", "threshold": 1, "keys": [{"address": thief, "weight": 1}]}
    before = devnet.trx(alice) or 0
    included = devnet.mined(
        devnet.signed(
            devnet.alice,
            46,
            {"owner": permission, "actives": [{"type": 2, "operations": ALL_OPERATIONS, **permission}]},
        )
    )
    assert before - (devnet.trx(alice) or 0) == included.outcome.fee_sun == 100 * TRX
    assert (owners("wallet"), owners("walletsolidity")) == ([thief.base58], [alice.base58])
    devnet.node.mine(18)
    assert owners("walletsolidity") == [thief.base58]
    stolen = {"owner_address": alice, "to_address": thief, "amount": TRX}
    devnet.mined(devnet.signed(devnet.carol, 1, stolen))


def test_two_of_two_need_both(devnet: Devnet) -> None:
    """With a threshold of two, one signature is 'sig error', both pass and cost 1 TRX more."""
    keys = [{"address": key.address, "weight": 1} for key in (devnet.alice, devnet.bob)]
    permission = {"permission_name": "both", "threshold": 2, "keys": keys}
    devnet.mined(
        devnet.signed(
            devnet.alice,
            46,
            {"owner": permission, "actives": [{"type": 2, "operations": ALL_OPERATIONS, **permission}]},
        )
    )
    transaction = transfer(devnet)
    refused = devnet.node.broadcast(transaction)
    assert (refused.code, refused.message) == ("SIGERROR", "Validate signature error: sig error")
    second = devnet.bob.sign(bytes.fromhex(transaction.txid))
    included = devnet.mined(resigned(transaction, *transaction.signatures, second))
    assert included.outcome.fee_sun - included.outcome.net_fee_sun == TRX
