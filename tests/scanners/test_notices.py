"""What a solid block shows of the token and of our own wallets: recorded once, rung, and signing stops where it must."""

from typing import Any

import msgspec
import pytest
from tronpy.keys import keccak256

from core.ledger.events import Event
from core.ledger.ledger import Accepted, Refused
from core.ledger.refusals import SigningIsStopped
from core.streams.attempts import BroadcastAttempt, ExpireAttempt, PrepareAttempt, ProofOfDeath, SignAttempt
from core.streams.notices import EVENTS, Notice, Noticed, OutgoingUnexplained
from core.streams.payouts import PayoutOrder
from core.streams.signing import SIGNING, ResumeSigning, Signing, SigningResumed
from core.tron.address import Address
from core.tron.chain import ChainTransaction, Log
from core.tron.transactions import RAW, TRIGGER, contract_of, txid_of
from scanners import facts
from scanners.notices import PERMISSION_UPDATE, TOKEN_EVENTS, addresses_in, sent_by_us
from scanners.recorder import ACTOR
from tests.scanners.world import ACCOUNT, HOT, THEM, US, World
from tests.support.chain import (
    PAYER,
    SOLID_LAG,
    USDT,
    Included,
    token_call,
    transfer_log,
    trx_transfer,
    usdt_transfer,
)
from tests.support.history import attempt, execute, fund, order, request_payout
from tests.support.memory import Crash

pytestmark = pytest.mark.fast

COLD = Address.from_evm(bytes([3]) * 20)
WORD = 32


def word(value: int | Address) -> bytes:
    return value.evm.rjust(WORD, b"\0") if isinstance(value, Address) else value.to_bytes(WORD, "big")


def token_event(signature: str, *indexed: Address, data: bytes = b"", contract: Address = USDT) -> Log:
    topics = (keccak256(signature.encode()), *(word(address) for address in indexed))
    return Log(contract.evm, topics, data)


def owned(
    salt: int, owner: Address, kind: int = TRIGGER, result: str = "SUCCESS", *logs: Log, **fields: Any
) -> Included:
    """A transaction whose owner is given."""
    if kind == TRIGGER:
        fields = {"contract_address": bytes(USDT), "data": b"\xa9\x05\x9c\xbb"} | fields
    raw = RAW.encode({"contract": [contract_of(kind, {"owner_address": bytes(owner)} | fields)], "timestamp": salt})
    transaction = ChainTransaction(txid_of(raw), raw, (bytes(65),), result)
    receipt = token_call(salt, *logs, result=result if kind == TRIGGER else "").receipt
    return Included(transaction, msgspec.structs.replace(receipt, txid=transaction.txid))


def solid(world: World, *included: Included) -> None:
    world.chain.mine(*included, blocks=SOLID_LAG + 1)
    world.settle()


def noticed(world: World) -> list[Event]:
    return [recorded.event for recorded in world.store.events if isinstance(recorded.event, Noticed)]


def causes(world: World) -> tuple[str, ...]:
    state = Signing()
    for recorded in world.store.histories([SIGNING]).get(SIGNING, []):
        state = state.evolve(recorded.event)
    return state.causes


@pytest.fixture
def world() -> World:
    made = World()
    made.pool.wallets[COLD.evm] = "cold"
    return made


PAUSE, UNPAUSE = token_event("Pause()"), token_event("Unpause()")
FEE_ON = token_event("Params(uint256,uint256)", data=word(10) + word(40_000_000))
FEE_OFF = token_event("Params(uint256,uint256)", data=word(0) + word(0))
DEPRECATE = token_event("Deprecate(address)", data=word(THEM))


def black(address: Address, name: str = "AddedBlackList") -> Log:
    return token_event(f"{name}(address)", address)


def destroyed(address: Address) -> Log:
    return token_event("DestroyedBlackFunds(address,uint256)", address, data=word(7_000_000))


@pytest.mark.parametrize(
    ("log", "kind", "stopped"),
    [
        (PAUSE, "token_paused", ("token_paused",)),
        (UNPAUSE, "token_unpaused", ()),
        (DEPRECATE, "token_deprecated", ("token_deprecated",)),
        (FEE_ON, "token_fee_changed", ("token_fee_on",)),
        (FEE_OFF, "token_fee_changed", ()),
        (black(HOT), "address_blacklisted", ("hot_wallet_blacklisted",)),
        (black(US), "address_blacklisted", ()),
        (black(COLD), "address_blacklisted", ()),
        (black(HOT, "RemovedBlackList"), "address_cleared", ()),
        (destroyed(HOT), "funds_destroyed", ("hot_wallet_funds_destroyed",)),
        (destroyed(US), "funds_destroyed", ()),
    ],
)
def test_what_the_issuer_does_is_recorded_and_rings(
    world: World, log: Log, kind: str, stopped: tuple[str, ...]
) -> None:
    """Each is one event and one alarm, and stops signing exactly where a payout would lose money (TRON 12.17)."""
    solid(world, token_call(1, log))
    [happened] = noticed(world)
    assert isinstance(happened, EVENTS[kind])  # type: ignore[index]
    assert causes(world) == stopped
    [(name, sentence)] = world.alarms
    assert name == kind
    assert ("Signing has stopped." in sentence) == bool(stopped)


def test_an_events_arguments_are_kept(world: World) -> None:
    """Successor, fee, maximum, address, role and amount stand in the event."""
    solid(world, token_call(1, DEPRECATE, FEE_ON, destroyed(US)))
    deprecated, fee, gone = [getattr(happened, "notice") for happened in noticed(world)]  # noqa: B009
    assert deprecated.other_address == THEM.base58
    assert (fee.basis_points, fee.maximum_fee_minor) == (10, 40_000_000)
    assert (gone.address, gone.wallet, gone.amount_minor, gone.currency) == (US.base58, "payin", 7_000_000, "USDT")
    assert [notice.log_index for notice in (deprecated, fee, gone)] == [0, 1, 2]


def test_arguments_that_are_not_indexed_are_read_as_well(world: World) -> None:
    """Networks differ in what they index; the address is the first argument either way."""
    unindexed = msgspec.structs.replace(black(HOT), topics=black(HOT).topics[:1], data=word(HOT))
    solid(world, token_call(1, unindexed))
    assert causes(world) == ("hot_wallet_blacklisted",)


@pytest.mark.parametrize(
    "included",
    [
        token_call(1, black(THEM), destroyed(THEM)),
        token_call(1, PAUSE, result="REVERT"),
        token_call(1, token_event("Pause()", contract=THEM)),
        token_call(1, transfer_log(HOT, THEM, 0)),
        token_call(1, transfer_log(HOT, THEM, 5, contract=THEM)),
        owned(1, PAYER, TRIGGER, data=b"\x0a\x15" + bytes(HOT)),
        trx_transfer(1, HOT, 5),
        usdt_transfer(1, HOT, 5),
    ],
    ids=[
        "strangers blacklisted",
        "a reverted call",
        "another contract's event",
        "a transfer of 0 that anybody can forge",
        "a fake token's transfer",
        "our address in a stranger's calldata",
        "TRX to us",
        "USDT to us",
    ],
)
def test_what_does_not_concern_us_is_no_notice(world: World, included: Included) -> None:
    """No event, no alarm, and signing goes on: strangers cannot stop us (FAILURES 9, 10)."""
    solid(world, included)
    assert noticed(world) == []
    assert causes(world) == ()
    assert world.alarms == []


def test_topics_are_the_events_hashes() -> None:
    """Each topic is the keccak of the event's signature."""
    signatures = {
        "Pause()",
        "Unpause()",
        "Deprecate(address)",
        "Params(uint256,uint256)",
        "AddedBlackList(address)",
        "RemovedBlackList(address)",
        "DestroyedBlackFunds(address,uint256)",
    }
    assert {keccak256(signature.encode()) for signature in signatures} == set(TOKEN_EVENTS)


@pytest.mark.parametrize("address", [HOT, US, COLD])
def test_a_changed_permission_of_ours_stops_signing(world: World, address: Address) -> None:
    """Nobody here changes who may sign: somebody else has a key (FAILURES 22)."""
    solid(world, owned(1, address, PERMISSION_UPDATE))
    assert causes(world) == ("wallet_permission_changed",)
    assert [name for name, _ in world.alarms] == ["wallet_permission_changed"]


@pytest.mark.parametrize(
    ("included", "moved"),
    [
        (owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 5)), 0),
        (owned(1, US, TRIGGER, "SUCCESS", transfer_log(US, THEM, 5)), 0),
        (owned(1, HOT, TRIGGER, "REVERT"), 0),
        (trx_transfer(1, THEM, 5, sender=HOT), 0),
        (trx_transfer(1, THEM, 5, sender=US), 0),
        (owned(1, HOT, 54, frozen_balance=5), 0),
        (token_call(1, transfer_log(HOT, THEM, 5)), 5),
        (token_call(1, transfer_log(US, THEM, 2**200)), 2**63 - 1),
        (owned(1, COLD, TRIGGER, "SUCCESS", transfer_log(COLD, THEM, 5)), 5),
    ],
    ids=[
        "USDT of the hot wallet",
        "USDT of a deposit address",
        "a failed call, which burns TRX",
        "TRX of the hot wallet",
        "TRX of a deposit address",
        "TRX frozen",
        "transferFrom with an allowance nobody here gave",
        "more than there is",
        "USDT of the cold wallet",
    ],
)
def test_an_outgoing_transfer_that_nothing_explains_stops_signing(world: World, included: Included, moved: int) -> None:
    """A transaction of ours that was not signed here is recorded once, rings, and nothing more is signed (I8, I14)."""
    solid(world, included)
    [happened] = noticed(world)
    assert isinstance(happened, OutgoingUnexplained)
    assert (happened.notice.txid, happened.notice.amount_minor) == (included.transaction.txid, moved)
    assert causes(world) == ("outgoing_unexplained",)
    assert [name for name, _ in world.alarms] == ["outgoing_unexplained"]


def test_a_refill_from_the_cold_wallet_is_no_theft(world: World) -> None:
    """Its owner moves its coins by hand: to our other wallets without a word."""
    solid(world, owned(1, COLD, TRIGGER, "SUCCESS", transfer_log(COLD, HOT, 5)))
    assert noticed(world) == []
    assert world.alarms == []


def test_an_owner_in_an_unusual_encoding_is_found(world: World) -> None:
    """A length of 21 written in more bytes than needed hides no owner: java-tron reads it as well."""
    plain = owned(1, HOT, 54, frozen_balance=5).transaction.raw_data
    value = b"\x0a\x15" + bytes(HOT) + b"\x10\x05"
    odd = b"\x0a\x95\x80\x00" + bytes(HOT) + b"\x10\x05"
    start = plain.index(value)
    type_url = plain[:start].rindex(b"\x0a")
    url = plain[type_url + 2 : type_url + 2 + plain[type_url + 1]]
    contract = b"\x08\x36\x12" + bytes([len(url) + len(odd) + 4]) + b"\x0a" + bytes([len(url)]) + url
    contract += b"\x12" + bytes([len(odd)]) + odd
    raw = b"\x5a" + bytes([len(contract)]) + contract
    block = world.chain.mine(Included(ChainTransaction(txid_of(raw), raw, (bytes(65),), "SUCCESS"), None))  # type: ignore[arg-type]
    assert HOT.evm in addresses_in(block)
    [sent] = sent_by_us(block, {HOT.evm: "hot"})
    assert (sent.owner, sent.contract_type) == (HOT, 54)


def signed(world: World, txid: str, name: str = "p1") -> PayoutOrder:
    """A payout whose first attempt has this txid, signed here."""
    wished = order(ACCOUNT, name, 1_000_000)
    bytes_of_it = msgspec.structs.replace(attempt(wished), txid=txid)
    execute(
        world.ledger,
        fund(ACCOUNT, 10_000_000, name),
        request_payout(wished),
        PrepareAttempt(wished, ACTOR, attempt=bytes_of_it),
        SignAttempt(wished, ACTOR, txid=txid, signature="00" * 65),
    )
    return wished


def test_a_payout_explains_its_transaction(world: World) -> None:
    """A normal payout adds no event and rings nothing; what it moved stands in the log of solid blocks."""
    payment = owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 1_000_000))
    signed(world, payment.transaction.txid)
    before = world.store.head()
    solid(world, payment)
    assert world.store.head() == before
    assert world.alarms == []
    assert world.log.find(payment.transaction.txid) == (1, "SUCCESS")


def test_a_payout_that_was_only_prepared_explains_nothing(world: World) -> None:
    """Bytes that we built and never signed are on chain: the key is in other hands."""
    payment = owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 1_000_000))
    wished = order(ACCOUNT, "p1", 1_000_000)
    prepared = msgspec.structs.replace(attempt(wished), txid=payment.transaction.txid)
    execute(
        world.ledger,
        fund(ACCOUNT, 10_000_000, "a"),
        request_payout(wished),
        PrepareAttempt(wished, ACTOR, attempt=prepared),
    )
    solid(world, payment)
    assert causes(world) == ("outgoing_unexplained",)


def test_a_dead_payout_that_is_mined_stops_signing(world: World) -> None:
    """Proven dead and in a solid block all the same: a proof was wrong, and no more are trusted (I7)."""
    payment = owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 1_000_000))
    txid = payment.transaction.txid
    wished = signed(world, txid)
    tried = attempt(wished)
    proof = ProofOfDeath(tried.ref_block_number + 1, "a", tried.ref_block_number + 9, "b", tried.expiration_ms, 9)
    execute(world.ledger, ExpireAttempt(wished, ACTOR, txid=txid, proof=proof))
    solid(world, payment)
    assert causes(world) == ("dead_payout_mined",)


def test_while_signing_is_stopped_nothing_is_prepared_signed_or_sent(world: World) -> None:
    """The decisions themselves refuse, under the append lock; what goes on is settlement."""
    wished = signed(world, "ab" * 32)
    waiting = order(ACCOUNT, "p2", 1_000_000)
    execute(world.ledger, request_payout(waiting))
    solid(world, token_call(1, PAUSE))
    commands = [
        PrepareAttempt(waiting, ACTOR, attempt=attempt(waiting)),
        BroadcastAttempt(wished, ACTOR, txid="ab" * 32),
    ]
    for outcome in world.ledger.execute(commands):
        assert isinstance(outcome, Refused)
        assert outcome.refusal == SigningIsStopped(causes="token_paused")
    solid(world, token_call(2, UNPAUSE))
    assert all(isinstance(outcome, Accepted) for outcome in world.ledger.execute(commands))


@pytest.mark.parametrize(
    ("stopping", "ending"), [(PAUSE, UNPAUSE), (FEE_ON, FEE_OFF), (black(HOT), black(HOT, "RemovedBlackList"))]
)
def test_what_the_chain_takes_back_ends_its_own_cause_only(world: World, stopping: Log, ending: Log) -> None:
    """Signing goes on by itself when that was the only cause, and stays stopped when there is another."""
    solid(world, token_call(1, stopping))
    assert len(causes(world)) == 1
    solid(world, token_call(2, ending))
    assert causes(world) == ()
    solid(world, token_call(3, stopping, DEPRECATE))
    solid(world, token_call(4, ending))
    assert causes(world) == ("token_deprecated",)


def test_an_operator_settles_the_causes_he_has_seen(world: World) -> None:
    """A cause that came after his look goes on holding; settling twice is as good as once."""
    solid(world, token_call(1, DEPRECATE))
    seen = causes(world)
    solid(world, owned(2, HOT))
    resume = ResumeSigning(causes=seen, reason="successor contract configured", actor="operator:1")  # type: ignore[arg-type]
    for _ in range(2):
        world.ledger.execute([resume])
    assert causes(world) == ("outgoing_unexplained",)
    resumed = [recorded.event for recorded in world.store.events if isinstance(recorded.event, SigningResumed)]
    assert [event.causes for event in resumed] == [("token_deprecated",)]


def test_a_block_that_is_scanned_again_stops_nothing_again(world: World) -> None:
    """An old pause, told again after the unpause, is known by its place in the chain."""
    solid(world, token_call(1, PAUSE))
    solid(world, token_call(2, UNPAUSE))
    events, rung = world.store.head(), len(world.alarms)
    world.queue.keys.clear()
    list(world.observer.rescan(0, 10**9))
    world.settle()
    assert (world.store.head(), len(world.alarms)) == (events, rung)
    assert causes(world) == ()


def test_an_alarm_that_died_with_its_process_rings_after_the_restart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event was durable and the alarm not rung yet: the message comes again and rings."""

    def die(name: str, sentence: str) -> None:
        raise Crash

    world.chain.mine(token_call(1, PAUSE), blocks=SOLID_LAG + 1)
    world.observer.step()
    monkeypatch.setattr(world.recorder, "_alarm", die)
    with pytest.raises(Crash):
        world.recorder.step()
    assert len(noticed(world)) == 1
    world.restart()
    world.settle()
    assert [name for name, _ in world.alarms] == ["token_paused"]
    assert len(noticed(world)) == 1


def test_a_forged_notice_stops_nothing(world: World) -> None:
    """A notice that the observer did not seal is buried: a foreign queue cannot halt payouts (I14)."""
    notice = Notice("token_paused", "ab" * 32, 0, 7, "cd" * 32, 1)
    world.queue.send([facts.message(notice, b"somebody else's")])
    world.recorder.step()
    assert causes(world) == ()
    assert [name for name, _ in world.alarms] == ["deposit_fact_forged"]
