"""Payouts on the devnet's real rules: at most one transfer each (I7), and every coin accounted for, whatever happens."""

import logging
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from core.ledger import books
from core.ledger.events import Event
from core.ledger.journal import TREASURY
from core.ledger.ledger import Ledger
from core.ports.queues import Message
from core.ports.unavailable import Unavailable
from core.streams.attempts import Attempt, PrepareAttempt
from core.streams.notices import Notice, RecordNotice
from core.streams.payouts import (
    RETRIES_MAX,
    CancelPayout,
    Payout,
    PayoutAttemptFailed,
    PayoutBroadcast,
    PayoutExpired,
    PayoutFailed,
    PayoutOrder,
    PayoutPrepared,
    PayoutSigned,
    PayoutWork,
    payout_stream,
)
from core.streams.signing import SigningStopped
from core.tron.address import ZERO_ADDRESS, Address
from core.tron.chain import BroadcastAnswer, Log, Receipt
from signers.keys.keys import Key, SoftwareKey
from signers.outgoing.hot_wallet import KEPT_MINOR, LIFE_MS_MIN, PayoutRules
from signers.outgoing.outgoing import REBROADCAST_MS
from signers.outgoing.owners import WalletHijacked
from signers.outgoing.payouts import Payouts
from signers.outgoing.settlement import UnexplainedTransfer, proof_of_death
from signers.transactions.signer import SignatureRefused
from tests.signers.payments import KEY, STRANGER
from tests.support.devnet import ACCEPTED, BLOCK_MS, SOLID_LAG, START_MS, USDT, DevnetLog, DevnetNode, Fate
from tests.support.history import ACTOR, ALICE, PAYEE, TickingClock, execute, fund, order, register, request_payout
from tests.support.memory import Crash, Fuse, MemoryPool, MemoryQueue, MemoryStore

pytestmark = pytest.mark.fast

HOT = KEY.address
COINS = 1_000_000
AMOUNT = 12_500_000
FEE = 100_000
RULES = PayoutRules(lifetime_ms=60_000)
LIFE_BLOCKS = RULES.lifetime_ms // BLOCK_MS + SOLID_LAG + 2
"""After so many blocks an attempt is either solid or proven dead."""


class MemoryBookmarks:
    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def load(self, name: str) -> int:
        return self.rows.get(name, 0)

    def save(self, name: str, position: int) -> None:
        self.rows[name] = position


class World:
    """Alice with 1,000 USDT, a hot wallet with as much and TRX for fees, a chain, and the worker."""

    def __init__(
        self,
        *,
        usdt_minor: int = 1_000 * COINS,
        sun: int = 1_000 * COINS,
        rules: PayoutRules = RULES,
        block_ms: int = BLOCK_MS,
    ) -> None:
        self.rules = rules
        self.node = DevnetNode(block_ms)
        self.node.fund(HOT, usdt_minor=usdt_minor, sun=sun)
        self.funded = (self.node.usdt_of(HOT), self.node.sun_of(HOT))
        self.log, self.pool = DevnetLog(self.node), MemoryPool({HOT: "hot"})
        self.alarms: list[str] = []
        self.store, self.queue, self.bookmarks = MemoryStore(), MemoryQueue(), MemoryBookmarks()
        self.ledger = Ledger(self.store, TickingClock())
        execute(self.ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 1_000 * COINS, "opening"))
        self.worker = self.start()

    def start(self, fuse: Fuse | None = None, key: Key = KEY) -> Payouts:
        """A new worker process, with a crash at the fuse's call if there is one."""
        through = fuse.through if fuse else lambda port: port
        store = through(self.store)
        ledger = Ledger(store, TickingClock())
        queue, node, bookmarks = through(self.queue), through(self.node), through(self.bookmarks)
        log, pool = through(self.log), through(self.pool)
        self.worker = Payouts(ledger, store, bookmarks, queue, node, log, pool, key, USDT, self.rules, alarm=self._ring)
        return self.worker

    def _ring(self, name: str, sentence: str) -> None:
        self.alarms.append(name)

    def request(self, name: str, amount_minor: int = AMOUNT, to: Address = PAYEE) -> PayoutOrder:
        wished = msgspec.structs.replace(order(ALICE, name, amount_minor, FEE), to_address=to.base58)
        execute(self.ledger, request_payout(wished))
        return wished

    def work(self) -> None:
        """Until the worker has nothing to do but wait."""
        for _ in range(100):
            if not self.worker.step():
                return
        raise AssertionError("the worker is busy and gets nowhere")

    def live(self, blocks: int = LIFE_BLOCKS) -> None:
        for _ in range(blocks):
            self.work()
            self.node.mine()
        self.work()

    def payout(self, wished: PayoutOrder) -> Payout:
        state = Payout()
        for recorded in self.store.histories([payout_stream(wished.payout_id)])[payout_stream(wished.payout_id)]:
            state = state.evolve(recorded.event)
        return state

    def attempt(self, wished: PayoutOrder) -> Attempt:
        attempt = self.payout(wished).attempts.last
        assert attempt is not None
        return attempt

    def events(self, kind: type[Event]) -> list[Event]:
        return [recorded.event for recorded in self.store.events if isinstance(recorded.event, kind)]

    def balance(self, book: str, account: str, currency: str = "USDT") -> int:
        """Debits less credits."""
        return sum(
            posting.amount_minor if posting.side == "debit" else -posting.amount_minor
            for recorded in self.store.events
            for posting in getattr(recorded.event, "postings", ())
            if (posting.book, posting.account, posting.currency) == (book, account, currency)
        )

    def assert_books_are_the_chain(self) -> None:
        """The hot wallet's accounts moved exactly as its coins did, and nothing is left in flight (I7, I10)."""
        usdt_minor, sun = self.funded
        assert self.balance(TREASURY, books.HOT_WALLET) - 1_000 * COINS == self.node.usdt_of(HOT) - usdt_minor
        assert self.balance(TREASURY, books.HOT_WALLET, "TRX") == self.node.sun_of(HOT) - sun
        assert self.balance(TREASURY, books.CUSTODY_CONTROL) == -self.balance(ALICE, books.CLIENT_ASSET)
        open_minor = -self.balance(ALICE, books.CLEARING)
        assert open_minor == 0
        paid = Counter(
            getattr(recorded.event, "txid", "") for recorded in self.store.events if _confirms(recorded.event)
        )
        assert paid == Counter({txid for txid, _ in self.node.transfers_from(HOT)})


def solid_as_old(world: World, attempt: Attempt) -> str:
    """The id of the first block as old as the expiration."""
    blocks = world.node.devnet.chain.blocks
    return next(block.block_id for block in blocks if block.timestamp_ms >= attempt.expiration_ms)


def _confirms(happened: Event) -> bool:
    return type(happened).__name__ == "PayoutConfirmed"


@pytest.fixture
def world() -> World:
    return World()


def test_a_payout_is_prepared_signed_broadcast_and_confirmed_once_solid(world: World) -> None:
    """The payee gets the exact amount, the client pays amount and fee, the TRX burned are the operator's cost."""
    wished = world.request("p1")
    world.work()
    assert world.payout(wished).state == "broadcasted"
    world.node.mine(2)
    world.work()
    assert world.payout(wished).state == "broadcasted"  # in a block, not yet solid
    world.live(SOLID_LAG)
    assert world.payout(wished).state == "confirmed"
    assert world.node.usdt_of(PAYEE) == AMOUNT
    assert world.balance(ALICE, books.USER_LIABILITY) == -(1_000 * COINS - AMOUNT - FEE)
    assert world.balance(TREASURY, books.FEE_REVENUE) == -FEE
    assert world.balance(TREASURY, books.NETWORK_FEE, "TRX") == world.funded[1] - world.node.sun_of(HOT) > 0
    kinds = [type(recorded.event).__name__ for recorded in world.store.events][-5:]
    assert kinds == ["PayoutRequested", "PayoutPrepared", "PayoutSigned", "PayoutBroadcast", "PayoutConfirmed"]
    world.assert_books_are_the_chain()


def test_nothing_is_broadcast_before_its_signature_is_durable(world: World) -> None:
    """When bytes reach the node, the event with their signature already stands in the history (TRON 12.27)."""
    wished = world.request("p1")
    seen = []
    broadcast = world.node.broadcast

    def observed(signed: bytes) -> BroadcastAnswer:
        seen.append((len(world.events(PayoutSigned)), len(world.events(PayoutBroadcast))))
        return broadcast(signed)

    world.node.broadcast = observed
    world.work()
    assert seen == [(1, 1)]
    signature = world.payout(wished).attempts.signature
    assert signature is not None
    assert bytes.fromhex(signature) in world.node.sent[0]


REFUSALS = [
    "SIGERROR",
    "CONTRACT_VALIDATE_ERROR",
    "CONTRACT_EXE_ERROR",
    "BANDWITH_ERROR",
    "TAPOS_ERROR",
    "TOO_BIG_TRANSACTION_ERROR",
    "TRANSACTION_EXPIRATION_ERROR",
    "SERVER_BUSY",
    "NO_CONNECTION",
    "BLOCK_UNSOLIDIFIED",
]
UNCLEAR = ["DUP_TRANSACTION_ERROR", "OTHER_ERROR", "NOT_ENOUGH_EFFECTIVE_CONNECTION", "timeout", "{}"]
ANSWERS = [
    ACCEPTED,
    *(BroadcastAnswer("refused", code) for code in REFUSALS),
    *(BroadcastAnswer("unclear", code) for code in UNCLEAR),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code or answer.verdict)
@pytest.mark.parametrize("fate", ["mined", "reverted", "never mined", "mined at the last moment"])
def test_no_answer_to_a_broadcast_decides_anything(world: World, answer: BroadcastAnswer, fate: str) -> None:
    """Whatever a node says and whatever becomes of the bytes: at most one transfer, and the state that the chain shows."""
    wished = world.request("p1")
    world.node.fate = Fate(arrives=fate == "mined", kept=fate != "mined", answer=answer)
    world.work()
    first = world.attempt(wished)
    if fate == "reverted":
        world.node.owner_calls("pause()")
        world.node.deliver()
    elif fate == "mined at the last moment":
        while world.node.head().timestamp_ms + 2 * BLOCK_MS <= first.expiration_ms:
            world.node.mine()
            world.work()
        del world.node.kept[1:]
        world.node.deliver()
    world.live()
    if fate == "never mined":
        assert [event.txid for event in world.events(PayoutExpired)] == [first.txid]
        world.node.fate = Fate()
        world.live()
        assert world.attempt(wished).number > 1
    payout = world.payout(wished)
    assert payout.state == ("failed" if fate == "reverted" else "confirmed")
    transfers = world.node.transfers_from(HOT)
    assert [amount for _, amount in transfers] == ([] if fate == "reverted" else [AMOUNT])
    if fate == "reverted":
        assert [event.failure_code for event in world.events(PayoutFailed)] == ["reverted"]
    world.assert_books_are_the_chain()


def _calls_of_a_life() -> int:
    """How many calls a payout takes, from the request to its end."""
    counter = Fuse(at=1_000_000)
    world = World()
    wished = world.request("p1")
    world.start(counter)
    while world.payout(wished).state != "confirmed":
        world.work()
        world.node.mine()
    return counter.passed


@pytest.mark.long
def test_a_crash_between_any_two_calls_is_a_restart() -> None:
    """Die before and after every call of store, node, queue and bookmarks: the restarted worker pays exactly once."""
    calls = _calls_of_a_life()
    assert calls > 60
    for at in range(calls):
        world = World()
        wished = world.request("p1")
        world.start(Fuse(at))
        with pytest.raises(Crash):
            world.live()
        world.start()
        world.live()
        assert world.payout(wished).state == "confirmed", at
        assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT], at
        world.assert_books_are_the_chain()


def test_a_prepared_payout_is_signed_again_to_the_same_bytes(world: World) -> None:
    """A worker that died between prepared and signed leaves bytes that the next one signs as they are."""
    wished = world.request("p1")
    world.worker.step()
    prepared = world.attempt(wished)
    assert world.payout(wished).attempts.signature is None
    world.start()
    world.live()
    assert world.payout(wished).txid == prepared.txid
    assert len(world.events(PayoutPrepared)) == 1


def test_the_same_bytes_go_out_again_until_they_are_seen_or_dead(world: World) -> None:
    """A node that forgot them gets them every 30 s of chain time, and never after the expiration."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    attempt = world.attempt(wished)
    while world.node.head().timestamp_ms < attempt.expiration_ms:
        world.node.mine()
        world.work()
    sent = Counter(world.node.sent)
    assert len(sent) == 1
    assert sum(sent.values()) == -(-RULES.lifetime_ms // REBROADCAST_MS)


def test_expired_bytes_are_not_replaced_before_a_solid_block_is_as_old(world: World) -> None:
    """Chain time at the head proves nothing: a second attempt needs a solid block at or after the expiration (I7)."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    first = world.attempt(wished)
    while world.node.solid().timestamp_ms < first.expiration_ms:
        assert world.attempt(wished) == first
        world.node.mine()
        world.work()
    assert world.attempt(wished).number == 2
    [proof] = world.events(PayoutExpired)
    assert isinstance(proof, PayoutExpired)
    assert proof.proof.last_timestamp_ms >= first.expiration_ms
    blocks = world.node.devnet.chain.blocks[first.ref_block_number + 1 : proof.proof.last_block_number + 1]
    assert proof.proof.blocks == len(blocks)
    assert (proof.proof.first_block_id, proof.proof.last_block_id) == (blocks[0].block_id, blocks[-1].block_id)
    assert all(block.timestamp_ms < first.expiration_ms for block in blocks[:-1])


@pytest.mark.parametrize("older_ms", [-BLOCK_MS, -1, 0, BLOCK_MS])
@pytest.mark.parametrize("included", [True, False])
def test_death_is_proven_by_age_and_absence_together(world: World, older_ms: int, included: bool) -> None:
    """A solid block as old as the expiration, and a log without the txid: one without the other proves nothing (I7)."""
    world.node.fate = Fate(arrives=included)
    wished = world.request("p1")
    world.work()
    world.node.mine(LIFE_BLOCKS)
    solid, attempt = world.node.solid(), world.attempt(wished)
    attempt = msgspec.structs.replace(attempt, expiration_ms=solid.timestamp_ms - older_ms)
    proof = proof_of_death(world.log, attempt)
    assert (proof is not None) == (older_ms >= 0 and not included)
    assert proof is None or (proof.covers(attempt) and proof.last_block_id == solid_as_old(world, attempt))


def test_a_new_attempt_is_broadcast_at_once() -> None:
    """When the last bytes went out decides nothing about the next ones, even where blocks become solid within a second."""
    world = World(rules=msgspec.structs.replace(RULES, lifetime_ms=20_000), block_ms=100)
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    while len(world.events(PayoutBroadcast)) < 2:
        world.work()
        world.node.mine()
    world.work()
    assert world.attempt(wished).number == 2
    assert len(set(world.node.sent)) == 2


def test_a_prepared_payout_that_expired_unsigned_is_prepared_anew(world: World) -> None:
    """Bytes that lay too long are never signed: they are proven dead first, as if they had been out."""
    wished = world.request("p1")
    world.worker.step()
    stale = world.attempt(wished)
    world.node.mine(LIFE_BLOCKS)
    world.start()
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.payout(wished).txid != stale.txid
    assert len(world.events(PayoutSigned)) == 1


def test_a_payout_that_is_never_mined_fails_after_proof_of_every_attempt() -> None:
    """The client gets its coins back only when each attempt is proven dead (FAILURES 30)."""
    world = World(rules=msgspec.structs.replace(RULES, attempts_max=2))
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.live(3 * LIFE_BLOCKS)
    assert world.payout(wished).state == "failed"
    assert len(world.events(PayoutExpired)) == 2
    assert [event.failure_code for event in world.events(PayoutFailed)] == ["not_mined"]
    assert world.balance(ALICE, books.USER_LIABILITY) == -1_000 * COINS
    world.assert_books_are_the_chain()


def test_equal_payouts_have_different_txids_and_all_arrive(world: World) -> None:
    """Sixty equal payouts on one block are sixty transactions and sixty transfers (FAILURES 27)."""
    orders = [world.request(f"p{number}", COINS) for number in range(60)]
    world.live()
    assert {world.payout(wished).state for wished in orders} == {"confirmed"}
    assert len({world.payout(wished).txid for wished in orders}) == len(orders)
    assert len({world.attempt(wished).ref_block_id for wished in orders}) <= 2
    assert world.node.usdt_of(PAYEE) == len(orders) * COINS
    world.assert_books_are_the_chain()


def test_payouts_of_one_step_are_one_append(world: World) -> None:
    """Throughput is not one commit per payout: thirty are prepared in one append, signed and broadcast in the next."""
    for number in range(30):
        world.request(f"p{number}", COINS)
    appends = []
    append = world.store.append
    world.store.append = lambda *args: (appends.append(args[0]), append(*args))
    world.work()
    assert len(world.events(PayoutBroadcast)) == 30
    assert len(appends) == 2


def test_payouts_wait_in_order_for_the_hot_wallet() -> None:
    """What the wallet cannot pay waits and does not fail; what comes after waits behind it, even if it is small."""
    world = World(usdt_minor=30 * COINS)
    first, second, third = (world.request(name, units * COINS) for name, units in (("a", 20), ("b", 20), ("c", 5)))
    world.live()
    assert [world.payout(wished).state for wished in (first, second, third)] == ["confirmed", "requested", "requested"]
    world.node.fund(HOT, usdt_minor=15 * COINS)
    world.live()
    assert [world.payout(wished).state for wished in (second, third)] == ["confirmed", "requested"]  # a unit is kept
    world.node.fund(HOT, usdt_minor=KEPT_MINOR)
    world.funded = (world.funded[0] + 15 * COINS + KEPT_MINOR, world.funded[1])
    world.live()
    assert world.payout(third).state == "confirmed"
    assert world.node.usdt_of(HOT) == KEPT_MINOR
    assert set(world.alarms) == {"hot_wallet_short"}
    world.assert_books_are_the_chain()


def test_what_is_in_flight_is_not_spent_twice() -> None:
    """Two payouts that the wallet can make only one of: the second waits until the first is settled, and never reverts."""
    world = World(usdt_minor=30 * COINS)
    first, second = world.request("a", 20 * COINS), world.request("b", 20 * COINS)
    world.work()
    assert [world.payout(wished).state for wished in (first, second)] == ["broadcasted", "requested"]
    world.start()
    world.work()
    assert world.payout(second).state == "requested"


def test_payouts_wait_for_trx(caplog: pytest.LogCaptureFixture) -> None:
    """Without TRX for the fee limit nothing is prepared and the log says once what lacks; with it, the payout is made."""
    world = World(sun=5 * COINS)
    wished = world.request("p1")
    world.live(5)
    assert world.payout(wished).state == "requested"
    [told] = [record.getMessage() for record in caplog.records if "waits" in record.getMessage()]
    assert told.startswith(f"payout {wished.payout_id} waits, and all behind it: it lacks 10.")
    world.node.fund(HOT, sun=50 * COINS)
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_a_fee_ceiling_too_low_is_waited_for() -> None:
    """A payout whose energy costs more than the ceiling is neither signed nor failed."""
    world = World(rules=msgspec.structs.replace(RULES, fee_limit_sun_max=5 * COINS))
    wished = world.request("p1")
    world.live(3)
    assert world.payout(wished).state == "requested"


def test_the_fee_limit_covers_the_dearest_payee(world: World) -> None:
    """A payee that holds USDT gets the fee limit of one that does not: it may have none in the block (FAILURES 17, 74)."""
    holder = world.node.devnet.chain.genesis.accounts[0].address
    new, known = world.request("new"), world.request("known", to=holder)
    world.work()
    for wished in (new, known):
        assert 130_285 * 100 <= world.attempt(wished).fee_limit_sun < 130_285 * 100 * 1.3


@pytest.mark.parametrize("left_ms", [90_000, 45_000, 30_000, 27_000, 3_000])
def test_no_payout_lives_beyond_a_maintenance(world: World, left_ms: int) -> None:
    """Prices and factors change there: what is built before is mined before, and nothing is built in the last half minute."""
    maintenance_ms = world.node.next_maintenance_ms()
    world.node.now_ms = maintenance_ms - left_ms - BLOCK_MS
    world.node.mine()
    wished = world.request("p1")
    world.work()
    assert bool(world.payout(wished).attempts.made) == (left_ms >= LIFE_MS_MIN)
    while world.node.next_maintenance_ms() == maintenance_ms:
        if world.node.now_ms + BLOCK_MS >= maintenance_ms:  # voted prices hold from the block behind the maintenance on
            world.node.devnet.decree({"getEnergyFee": 200})
        world.node.mine()
        world.work()
    world.live(2 * LIFE_BLOCKS)
    assert world.payout(wished).state == "confirmed"
    assert not world.events(PayoutAttemptFailed)
    first = world.payout(wished).attempts.made[0]
    assert first.expiration_ms <= maintenance_ms or left_ms < LIFE_MS_MIN
    assert set(world.alarms) == set()
    world.assert_books_are_the_chain()


@pytest.mark.parametrize(
    ("to", "code"),
    [(ZERO_ADDRESS, "address_not_payable"), (USDT, "address_not_payable"), (HOT, "address_not_payable")],
    ids=["zero address", "token contract", "hot wallet"],
)
def test_an_unpayable_payee_fails_before_anything_is_built(world: World, to: Address, code: str) -> None:
    """The payout fails with its reason, the reserve goes back, and the next payout is made."""
    wished, after = world.request("p1", to=to), world.request("p2")
    world.live()
    assert world.payout(wished).state == "failed"
    assert [event.failure_code for event in world.events(PayoutFailed)] == [code]
    assert world.payout(wished).attempts.made == ()
    assert world.payout(after).state == "confirmed"
    world.assert_books_are_the_chain()


def test_a_blacklisted_payee_fails_before_signing(world: World) -> None:
    """The token would let the coins arrive and never leave: refused and refunded (TRON 4.6)."""
    world.node.blacklist(PAYEE)
    wished = world.request("p1")
    world.work()
    assert world.payout(wished).state == "failed"
    assert [event.failure_code for event in world.events(PayoutFailed)] == ["payee_blacklisted"]
    assert world.node.sent == []
    assert world.balance(ALICE, books.USER_LIABILITY) == -1_000 * COINS


def test_a_contract_is_paid_unless_the_rules_forbid_it() -> None:
    """Wallets may be contracts; an operator who wants none says so."""
    multisend = World().node.devnet.chain.genesis.multisend
    for allowed, state in ((True, "broadcasted"), (False, "failed")):
        world = World(rules=msgspec.structs.replace(RULES, contract_payees=allowed))
        world.node.fund(multisend, sun=COINS)
        wished = world.request("p1", to=multisend)
        world.work()
        assert world.payout(wished).state == state


def test_a_paused_token_makes_payouts_wait(world: World) -> None:
    """While the trial call reverts nothing is prepared; afterwards the payout is made."""
    world.node.owner_calls("pause()")
    wished = world.request("p1")
    world.live(3)
    assert world.payout(wished).state == "requested"
    world.node.owner_calls("unpause()")
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_the_tokens_fee_switch_does_not_disturb(world: World) -> None:
    """With the fee on, the payee's log is net and the owner's log is the fee: together the payout (TRON 12.15)."""
    world.node.owner_calls("setParams(uint256,uint256)", (10).to_bytes(32, "big"), (40).to_bytes(32, "big"))
    wished = world.request("p1")
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert 0 < world.node.usdt_of(PAYEE) < AMOUNT
    usdt_minor, _ = world.funded
    assert usdt_minor - world.node.usdt_of(HOT) == AMOUNT


@pytest.mark.parametrize("trx", [20, 1_000], ids=["just enough", "plenty"])
def test_a_payee_that_empties_its_wallet_costs_no_failure(trx: int) -> None:
    """The trial saw a holder and the block sees none: the payout is paid all the same, at the price of a new holder (I21)."""
    world = World(sun=trx * COINS)
    payees = [SoftwareKey(bytes([number]) * 32).address for number in (11, 12, 13)]
    for payee in payees:
        world.node.fund(payee, usdt_minor=COINS)
    orders = [world.request(payee.base58, to=payee) for payee in payees]
    for _ in range(len(payees) * LIFE_BLOCKS):
        world.work()
        for payee in payees:
            if world.node.usdt_of(payee) == COINS:
                world.node.devnet.chain.state.apply({("slot", USDT, "balance", payee.evm): None})
        world.node.mine()
    paid = [wished for wished in orders if world.payout(wished).state == "confirmed"]
    assert paid
    assert {world.payout(wished).state for wished in orders} <= {"confirmed", "requested"}
    assert len(paid) == len(orders) or trx == 20  # the rest wait for TRX, and are not tried without
    assert not world.events(PayoutFailed)
    burned = [world.node.receipt(world.attempt(wished).txid) for wished in paid]
    assert all(receipt and receipt.succeeded for receipt in burned)


def dearer(world: World, wished: PayoutOrder, price_sun: int) -> None:
    """The price of energy rises between the broadcast of the next attempt and its block; then the receipt becomes solid."""
    world.node.fate = Fate(arrives=False, kept=True)
    before = len(world.payout(wished).attempts.made)
    while len(world.payout(wished).attempts.made) == before or not world.payout(wished).attempts.sent:
        world.work()
        world.node.mine()
    world.node.devnet.decree({"getEnergyFee": price_sun})
    world.node.mine()
    world.node.fate = Fate()
    world.node.deliver()
    world.node.mine(SOLID_LAG + 1)


@pytest.mark.parametrize("times", [1, RETRIES_MAX])
def test_a_price_that_rose_before_the_block_is_paid_with_the_next_attempt(world: World, times: int) -> None:
    """OUT_OF_ENERGY says nothing about the payee: its fee is booked, and it is made at the price of now (FAILURES 44)."""
    wished = world.request("p1")
    for time in range(times):
        dearer(world, wished, 100 + 100 * (time + 1))
    world.live()
    assert world.payout(wished).state == "confirmed"
    retried = world.events(PayoutAttemptFailed)
    assert [(it.failure_code, it.txid) for it in retried if isinstance(it, PayoutAttemptFailed)] == [
        ("out_of_energy", attempt.txid) for attempt in world.payout(wished).attempts.made[:-1]
    ]
    assert len(retried) == times
    assert world.node.usdt_of(PAYEE) == AMOUNT
    world.assert_books_are_the_chain()


def test_the_chains_own_word_of_a_retried_attempt_stops_nothing(world: World) -> None:
    """The observer reports it as leaving the wallet like any other, after the payout knew: it is explained."""
    wished = world.request("p1")
    dearer(world, wished, 200)
    world.live()
    [first, _] = world.payout(wished).attempts.made
    seen = Notice("outgoing", first.txid, None, 100, "00" * 32, START_MS, HOT.base58, "hot")
    world.ledger.execute([RecordNotice(seen, payout_stream(wished.payout_id), ACTOR)])
    assert not world.events(SigningStopped)


def test_out_of_energy_three_times_ends_a_payout_with_its_own_code(world: World) -> None:
    """What was burned each time is the operator's cost, and the client is refunded."""
    wished = world.request("p1")
    for time in range(RETRIES_MAX + 1):
        dearer(world, wished, 100 + 50 * (time + 1))
    world.live()
    assert world.payout(wished).state == "failed"
    [failed] = world.events(PayoutFailed)
    assert isinstance(failed, PayoutFailed)
    assert failed.failure_code == "out_of_energy"
    assert len(world.events(PayoutAttemptFailed)) == RETRIES_MAX
    burned_sun = sum(it.burned_sun for it in world.events(PayoutAttemptFailed) if isinstance(it, PayoutAttemptFailed))
    assert burned_sun >= RETRIES_MAX * 64_285 * 100
    assert world.balance(TREASURY, books.NETWORK_FEE, "TRX") == burned_sun + failed.burned_sun
    assert world.balance(ALICE, books.USER_LIABILITY) == -1_000 * COINS
    world.assert_books_are_the_chain()


def test_a_receipt_without_the_transfer_log_is_a_failure(world: World) -> None:
    """SUCCESS alone pays nobody: without coins leaving the wallet the client is refunded (FAILURES 14)."""
    wished = world.request("p1")
    _change_receipt(world, lambda logs: ())
    world.live()
    assert world.payout(wished).state == "failed"
    assert [event.failure_code for event in world.events(PayoutFailed)] == ["transfer_log_missing"]


def test_a_zero_value_log_is_no_transfer(world: World) -> None:
    """Anybody can make the token log a transfer of 0 out of our wallet: it proves nothing (FAILURES 10)."""
    wished = world.request("p1")
    _change_receipt(world, lambda logs: tuple(msgspec.structs.replace(log, data=bytes(32)) for log in logs))
    world.live()
    assert world.payout(wished).state == "failed"


def test_coins_that_left_otherwise_than_ordered_stop_the_worker(world: World) -> None:
    """Neither confirmed nor refunded: a person has to look."""
    wished = world.request("p1")
    _change_receipt(
        world, lambda logs: tuple(msgspec.structs.replace(log, data=(AMOUNT + 1).to_bytes(32, "big")) for log in logs)
    )
    with pytest.raises(UnexplainedTransfer):
        world.live()
    assert world.payout(wished).state == "broadcasted"


def _change_receipt(world: World, change: Callable[[tuple[Log, ...]], tuple[Log, ...]]) -> None:
    """The node lies about the logs of solid receipts."""
    truth = world.node.solid_receipt

    def lie(txid: str) -> Receipt | None:
        receipt = truth(txid)
        return receipt and msgspec.structs.replace(receipt, logs=change(receipt.logs))

    world.node.solid_receipt = lie


def test_another_transactions_receipt_is_not_believed(world: World) -> None:
    """A node that answers with the wrong receipt is an alarm, not news; the other payout is settled meanwhile."""
    wished = world.request("p1")
    other = world.request("p2")
    world.work()
    truth = world.node.solid_receipt
    txids = {world.attempt(wished).txid: world.attempt(other).txid}
    world.node.solid_receipt = lambda txid: truth(txids.get(txid, txid))
    world.live()
    assert (world.payout(wished).state, world.payout(other).state) == ("broadcasted", "confirmed")
    assert world.alarms == ["payout_disputed"]


def test_a_hijacked_wallet_signs_nothing(world: World) -> None:
    """Another key in the owner permission stops signing with an error of its own (FAILURES 22)."""
    wished = world.request("p1")
    world.node.hijack(HOT, STRANGER)
    world.worker.step()
    with pytest.raises(WalletHijacked, match=STRANGER.base58):
        world.work()
    assert world.payout(wished).attempts.signature is None
    assert world.node.sent == []


def test_recorded_bytes_that_differ_from_the_order_get_no_signature(world: World) -> None:
    """The prepared event says one thing and the order another: refused, and the worker stops (I8)."""
    wished, other = world.request("p1"), world.request("p2", 2 * AMOUNT)
    world.worker.step()
    forged = msgspec.structs.replace(world.attempt(other), number=1)
    poisoned = World()
    victim = poisoned.request("p1")
    execute(poisoned.ledger, PrepareAttempt(victim, ACTOR, attempt=forged))
    assert victim == wished
    with pytest.raises(SignatureRefused):
        poisoned.work()
    assert poisoned.payout(victim).attempts.signature is None


def test_bytes_of_another_wallet_are_left_to_die(world: World) -> None:
    """After a change of the hot wallet the old one's unsigned bytes are proven dead, then the new one pays."""
    wished = world.request("p1")
    world.worker.step()
    old = world.attempt(wished)
    successor = SoftwareKey(bytes([2]) * 32)
    world.node.fund(successor.address, usdt_minor=100 * COINS, sun=100 * COINS)
    world.start(key=successor)
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.attempt(wished).from_address == successor.address.base58
    assert [event.txid for event in world.events(PayoutExpired)] == [old.txid]
    assert world.node.transfers_from(HOT) == []


def test_a_key_out_of_reach_delays_and_nothing_else(world: World) -> None:
    """A remote key that does not answer leaves the payout prepared; the same bytes are signed once it does."""
    wished = world.request("p1")
    world.start(key=ShutKey())
    world.worker.step()
    for _ in range(3):
        with pytest.raises(Unavailable):
            world.worker.step()
    prepared = world.attempt(wished)
    world.start()
    world.live()
    assert world.payout(wished).txid == prepared.txid


class ShutKey:
    """The hot wallet's key behind a door that is shut."""

    address = HOT

    def sign_digest(self, digest: bytes) -> bytes:
        raise Unavailable("the key does not answer")


def test_a_cancelled_payout_is_never_prepared(world: World) -> None:
    """The client was faster than the worker."""
    wished = world.request("p1")
    execute(world.ledger, CancelPayout(wished, "api-key:1"))
    world.live(3)
    assert world.payout(wished).state == "cancelled"
    assert world.node.sent == []


def test_two_workers_at_once_pay_once(world: World) -> None:
    """They read the same history and take turns: the second's commands are refused or already done."""
    orders = [world.request(f"p{number}", COINS) for number in range(5)]
    one, other = world.start(), world.start()
    for _ in range(LIFE_BLOCKS):
        for worker in (one, other, other, one):
            worker.step()
        world.node.mine()
    assert {world.payout(wished).state for wished in orders} == {"confirmed"}
    assert len(world.node.transfers_from(HOT)) == len(orders)
    world.assert_books_are_the_chain()


def test_the_queue_is_only_a_prompt(world: World) -> None:
    """A forged message pays nobody, an unreadable one is buried, and with no message at all the payout is made (I11, I14)."""
    work = msgspec.json.encode(PayoutWork(order(ALICE, "never requested", AMOUNT).payout_id, ALICE))
    world.queue.send([Message(work, "a", "1"), Message(b"\xff{", "b", "2"), Message(b'{"pay": 1}', "c", "3")])
    assert world.worker.step()
    assert world.queue.depth() == 0
    assert [body for body, _ in world.queue.buried] == [b"\xff{", b'{"pay": 1}']
    wished = world.request("p1")
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.node.usdt_of(PAYEE) == AMOUNT


def test_an_idle_worker_asks_the_node_nothing(world: World) -> None:
    """Without open payouts a step costs one look at the queue and one at the history."""
    world.work()
    world.node.head = None
    assert not world.worker.step()


def test_the_bookmark_stays_below_every_open_payout(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart reads from the oldest open payout on, not from the beginning, and misses none (I9)."""
    monkeypatch.setattr("signers.open_streams.SAVE_EVERY", 1)
    world.request("done")
    world.live()
    open_one = world.request("open")
    world.work()
    position = next(r.position for r in world.store.events if r.stream == payout_stream(open_one.payout_id))
    assert world.bookmarks.rows == {"payouts": position - 1}
    world.start()
    world.live()
    assert world.payout(open_one).state == "confirmed"


def test_a_worker_behind_the_history_promises_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all that is in flight is known, the node is not asked and nothing is prepared from the same coins."""
    world.request("p1")
    head = world.store.head()
    monkeypatch.setattr("signers.open_streams.PAGE_EVENTS", head)
    with monkeypatch.context() as deaf:
        deaf.setattr(world.node, "solid", None)
        assert world.worker.step()
    assert world.store.head() == head
    world.live()
    assert len(world.node.transfers_from(HOT)) == 1


def test_no_secret_and_every_step_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells each transition with its position, and holds neither a signature nor signed bytes (I13)."""
    with caplog.at_level(logging.INFO):
        wished = world.request("p1")
        world.live()
    for kind in ("PayoutPrepared", "PayoutSigned", "PayoutBroadcast", "PayoutConfirmed"):
        assert f"{payout_stream(wished.payout_id)}: {kind} at" in caplog.text
    signature = world.payout(wished).attempts.signature
    assert signature is not None
    assert signature not in caplog.text
