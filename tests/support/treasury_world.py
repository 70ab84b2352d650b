"""A client with deposit addresses, a hot, a gas and a cold wallet, a devnet turned by hand, and every worker that moves coins.

From the chain to the books everything is the product's own; only ports are memory.
"""

from hashlib import sha256
from typing import Any

import httpx2

from core.ledger import books
from core.ledger.events import Event
from core.ledger.journal import TREASURY, derived_id
from core.ledger.ledger import Ledger, state_of
from core.streams.addresses import RequestPayin
from core.streams.instructions import Act, Freeze, GiveInstruction, Instruction, InstructionGiven
from core.streams.payouts import Payout, PayoutOrder, payout_stream
from core.streams.sweeps import Sweep, SweepOrder, SweepPlanned
from core.streams.treasury import RegisterWallet
from core.streams.wallet.rotation import NOBODY, ROTATED_ROLES, AskWalletRotation, RoleHistory
from core.tron.address import SUN_PER_TRX, Address
from gateways.devnet import node
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.machine import abi
from gateways.devnet.state import accounts
from gateways.tron.node import TronNode
from scanners.observer import Observer
from scanners.recorder import Recorder
from signers.keys.keys import Key, SoftwareKey
from signers.outgoing.hot_wallet import PayoutRules
from signers.outgoing.instructions import InstructionRules, Instructions
from signers.outgoing.payouts import Payouts
from signers.outgoing.permissions import Permissions
from signers.rotation.begin import BeginRotation
from signers.rotation.emptying import Emptying
from signers.sweeps.sweeps import Sweeps
from signers.sweeps.worth import SweepRules
from tests.simulation.system import Backend
from tests.support.history import ACTOR, ALICE, TickingClock, execute, order, register, request_payout
from tests.support.leash import leash
from tests.support.memory import (
    MemoryAttempts,
    MemoryCursors,
    MemoryHoldings,
    MemoryOutstanding,
    MemoryPool,
    MemoryQueue,
    MemorySolidLog,
    MemoryStore,
)

COINS = 1_000_000
START_MS = 1_767_225_600_000
FACT_KEY = b"observer's key of thirty-two by."
SOLID_LAG = 19
RULES = SweepRules(
    threshold_minor=50 * COINS,
    cost_max_percent=10,
    trx_price_minor=300_000,
    amount_max_minor=10**15,
    open_max=50,
    gas_daily_max_sun=10_000 * SUN_PER_TRX,
)


class MemoryBookmarks:
    """The port `Bookmarks`."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def load(self, name: str) -> int:
        return self.rows.get(name, 0)

    def save(self, name: str, position: int) -> None:
        self.rows[name] = max(position, self.rows.get(name, 0))


class Keystore:
    """The port `Keys`: every id has its key."""

    def key(self, key_id: str) -> Key:
        return SoftwareKey(sha256(key_id.encode()).digest())


class Maker:
    """The port `WalletKeyMaker`: the n-th key of a role is called after both."""

    def make(self, role: str, number: int, wished: str) -> str:
        return wished or f"keystore:{role}_{number}"


class TreasuryWorld:
    """`stake_trx` is what the gas wallet has frozen for energy, `bandwidth_trx` for bandwidth."""

    def __init__(
        self,
        *,
        stake_trx: int = 0,
        bandwidth_trx: int = 0,
        gas_trx: int = 10_000,
        hot_usdt: int = 1_000,
        hot_trx: int = 1_000,
        cold: bool = True,
        rules: SweepRules = RULES,
        interval_ms: int = 60_000,
    ) -> None:
        self.rules = rules
        self.interval_ms = interval_ms
        self.now_ms = START_MS
        self.devnet = node.Node(node.Config(paused=True), lambda: self.now_ms)
        self.node = TronNode("http://devnet", transport=httpx2.BaseTransport())
        self.node._http = Backend(self.devnet, lambda _: None)  # type: ignore[assignment]
        self.keys, self.maker = Keystore(), Maker()
        self.hot, self.gas = (self.keys.key(f"keystore:{role}").address for role in ("hot", "gas"))
        self.cold = self.keys.key("keystore:cold").address
        self.pool = MemoryPool({})
        self.store, self.queue, self.bookmarks = MemoryStore(), MemoryQueue(), MemoryBookmarks()
        self.cursors, self.log, self.holdings = MemoryCursors(), MemorySolidLog(), MemoryHoldings(self.store)
        self.outstanding = MemoryOutstanding()
        self.ledger = Ledger(self.store, TickingClock())
        self.alarms: list[tuple[str, str]] = []
        execute(self.ledger, register(ALICE, "Alice Ltd"))
        for role, address in (("hot", self.hot), ("gas", self.gas), *([("cold", self.cold)] if cold else [])):
            key_id = None if role == "cold" else f"keystore:{role}"
            self.pool.add_wallet(role, address.base58, key_id)
            execute(self.ledger, RegisterWallet(role, address.base58, key_id, ACTOR))  # type: ignore[arg-type]
        self.addresses: list[Address] = []
        self.start()
        self.give(self.hot, usdt=hot_usdt, trx=hot_trx)
        self.give(self.gas, trx=gas_trx + stake_trx + bandwidth_trx)
        self.mine(SOLID_LAG + 1)
        for trx, resource in ((stake_trx, "ENERGY"), (bandwidth_trx, "BANDWIDTH")):
            if trx:
                self.freeze(trx, resource)
        self.live(2 * SOLID_LAG if stake_trx or bandwidth_trx else 1)

    def start(self) -> None:
        """Every worker anew, on what is durable."""
        self.observer = Observer(
            self.node,
            self.queue,
            self.cursors,
            self.pool,
            self.log,
            self.outstanding,
            usdt=USDT.evm,
            key=FACT_KEY,
            alarm=self.ring,
            start=1,
        )
        self.recorder = Recorder(
            self.queue,
            self.ledger,
            self.store,
            MemoryAttempts(self.store),
            self.outstanding,
            key=FACT_KEY,
            alarm=self.ring,
        )
        self._start_signers()

    def _start_signers(self) -> None:
        ports: Any = (self.ledger, self.store, self.bookmarks)
        self.payouts = Payouts(
            *ports,
            MemoryQueue(),
            self.node,
            self.log,
            self.pool,
            self.keys.key("keystore:hot"),
            USDT,
            PayoutRules(lifetime_ms=60_000),
            leash=leash(self.store, self.ring),
            alarm=self.ring,
            keys=self.keys,
        )
        self.instructions = Instructions(
            *ports,
            self.node,
            self.log,
            self.pool,
            self.keys.key("keystore:gas"),
            self.keys,
            USDT,
            InstructionRules(),
            alarm=self.ring,
        )
        self.sweeps = Sweeps(
            *ports,
            self.node,
            self.pool,
            self.holdings,
            self.gas,
            USDT,
            self.rules,
            fee_limit_sun_max=60 * COINS,
            interval_ms=self.interval_ms,
            alarm=self.ring,
        )
        self._start_rotations()

    def _start_rotations(self) -> None:
        self.rotations = [
            BeginRotation(self.ledger, self.store, self.pool, self.keys, role, self.maker, ACTOR, alarm=self.ring)
            for role in ROTATED_ROLES
        ]
        last = self.sweeps.under_way, self.instructions.is_making, Permissions(self.store, self.node)
        self.emptying = Emptying(self.ledger, self.store, self.node, USDT, self.rules, *last, alarm=self.ring)

    def ring(self, name: str, sentence: str) -> None:
        self.alarms.append((name, sentence))

    # The chain

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.now_ms = max(self.now_ms, self.devnet.chain.next_slot_ms)
            self.devnet.mine()

    def give(self, address: Address, *, usdt: float = 0, trx: float = 0) -> None:
        """Coins from the devnet's own accounts."""
        if trx:
            assert self.devnet.give_trx(address, int(trx * COINS)).accepted
        if usdt:
            assert self.devnet.give_usdt(address, int(usdt * COINS)).accepted

    def decree(self, **decrees: int) -> None:
        """Prices and factors from the next block on."""
        self.devnet.decree(decrees)

    def owner_calls(self, signature: str, *words: Address | int) -> None:
        """The token's owner calls it, in the next block."""
        data = abi.selector_of(signature)
        data += b"".join(abi.of_uint(it) if isinstance(it, int) else abi.of_address(it.evm) for it in words)
        assert self.devnet.call(self.devnet.chain.genesis.treasury, USDT, data).accepted
        self.mine()

    def freeze(self, trx: int, resource: str) -> None:
        key = str(derived_id("instruction", "freeze", f"{trx} {resource}"))
        act = Freeze(trx * SUN_PER_TRX, resource)  # type: ignore[arg-type]
        execute(self.ledger, GiveInstruction(Instruction(key, "stake", "", self.gas.base58, "gas", act), ACTOR))

    def order_stake(self, role: str, act: Act) -> Instruction:
        """What the operator's command gives: the hot or the gas wallet is to freeze, unfreeze or withdraw."""
        key = str(derived_id("instruction", "stake", str(len(self.store.events))))
        owner = self.hot if role == "hot" else self.gas
        instruction = Instruction(key, "stake", "", owner.base58, role, act)  # type: ignore[arg-type]
        execute(self.ledger, GiveInstruction(instruction, ACTOR))
        return instruction

    def rotate(self, role: str, key: str = "") -> None:
        """What the operator's command asks for."""
        execute(self.ledger, AskWalletRotation(role, ACTOR, key=key))  # type: ignore[arg-type]

    def role(self, role: str) -> RoleHistory:
        return state_of(self.store, f"wallet-{role}", NOBODY)

    def addresses_of(self, role: str) -> list[Address]:
        """All that ever played it, the one that does now last."""
        return [Address.from_base58(it.address) for it in self.role(role).registered]

    def usdt_of(self, address: Address) -> int:
        return int(self.devnet.chain.state.get(("slot", USDT, "balance", address.evm)) or 0)

    def sun_of(self, address: Address) -> int:
        account = accounts.find(self.devnet.chain.state, address)
        return account.balance_sun if account else 0

    # Clients

    def payin(self) -> Address:
        """A deposit address of Alice's."""
        number = len(self.addresses)
        key_id = f"derived:{number}"
        address = self.keys.key(key_id).address
        self.pool.add_wallet("payin", address.base58, key_id)
        payin_id = str(derived_id("payin", ALICE, str(number)))
        wish = (payin_id, ALICE, address.base58, address.hex(), key_id, books.USER_LIABILITY, None, ACTOR)
        execute(self.ledger, RequestPayin(*wish))
        self.addresses.append(address)
        return address

    def deposits(self, *amounts: float) -> list[Address]:
        """New addresses, each with so many USDT, solid and credited."""
        paid = [self.payin() for _ in amounts]
        for address, amount in zip(paid, amounts, strict=True):
            self.give(address, usdt=amount)
        self.mine(SOLID_LAG + 1)
        self.record()
        return paid

    def pay_out(self, name: str, amount: float) -> PayoutOrder:
        wished = order(ALICE, name, int(amount * COINS))
        execute(self.ledger, request_payout(wished))
        return wished

    def payout(self, wished: PayoutOrder) -> Payout:
        state = Payout()
        for recorded in self.store.histories([payout_stream(wished.payout_id)])[payout_stream(wished.payout_id)]:
            state = state.evolve(recorded.event)
        return state

    # Workers

    def record(self) -> None:
        """What the chain shows becomes events."""
        for _ in range(1_000):
            if not self.observer.step() | self.recorder.step():
                return
        raise AssertionError("the scanner finds work for ever")

    def work(self) -> None:
        """Every worker until none finds work."""
        self.record()
        for _ in range(200):
            moved = self.sweeps.step() | self.instructions.step() | self.payouts.step()
            begun = sum(each.step() for each in self.rotations)
            if not moved | bool(begun) | self.emptying.step():
                return
        raise AssertionError("the workers find work for ever")

    def work_but_sweeps(self) -> None:
        """The chain's news and the transactions under way, while no sweep goes further."""
        self.record()
        for _ in range(200):
            if not self.instructions.step() | self.payouts.step():
                return
        raise AssertionError("the workers find work for ever")

    def until(self, state: str) -> None:
        """To the moment at which the only sweep has come so far, and nothing else has happened since."""
        for _ in range(200):
            self.sweeps.step()
            if [self.sweep(it).state for it in self.orders()] == [state]:
                return
            self.work_but_sweeps()
            self.mine()
        raise AssertionError(f"no sweep was ever {state}")

    def until_fuelled(self) -> None:
        """Its transfer is instructed, and no byte of it is made."""
        self.until("fuelled")

    def live(self, blocks: int) -> None:
        for _ in range(blocks):
            self.work()
            self.mine()
        self.work()

    def settle(self, blocks_max: int = 2_000) -> None:
        """Until no sweep, instruction or payout is under way."""
        for _ in range(blocks_max):
            self.work()
            if not len(self.sweeps._open) + len(self.instructions._open) + len(self.payouts._open):
                self.record()
                return
            self.mine()
        states = [(it.order.address, it.sweep.state, it.told) for it in self.sweeps._open]
        raise AssertionError(f"still under way after {blocks_max} blocks: {states}")

    # What came of it

    def events(self, *kinds: type[Event]) -> list[Any]:
        return [recorded.event for recorded in self.store.events if isinstance(recorded.event, kinds)]

    def orders(self) -> list[SweepOrder]:
        return [happened.sweep for happened in self.events(SweepPlanned)]

    def given(self, purpose: str) -> list[Instruction]:
        return [it.instruction for it in self.events(InstructionGiven) if it.instruction.purpose == purpose]

    def sweep(self, of: SweepOrder) -> Sweep:
        state = Sweep()
        for recorded in self.store.histories([of.stream])[of.stream]:
            state = state.evolve(recorded.event)
        return state

    def balance(self, account: str, currency: str = "USDT", book: str = TREASURY) -> int:
        """Debits less credits."""
        return sum(
            posting.amount_minor if posting.side == "debit" else -posting.amount_minor
            for recorded in self.store.events
            for posting in getattr(recorded.event, "postings", ())
            if (posting.book, posting.account, posting.currency) == (book, account, currency)
        )

    @property
    def burned_sun(self) -> int:
        """TRX that the books say were burned."""
        return self.balance(books.NETWORK_FEE, "TRX")

    def results(self) -> dict[str, int]:
        """How our own transactions ended on chain: contractRet -> how many."""
        found: dict[str, int] = {}
        ours = {bytes(self.hot), bytes(self.gas), bytes(self.cold), *map(bytes, self.addresses)}
        for block in self.devnet.chain.blocks:
            for each in block.included:
                if each.transaction.owner in ours:
                    found[each.outcome.contract_ret] = found.get(each.outcome.contract_ret, 0) + 1
        return found

    def assert_books_are_the_chain(self) -> None:
        """Each wallet, every deposit address and the stake, to the unit; nothing in transit (I10)."""
        for account, role in ((books.HOT_WALLET, "hot"), (books.GAS_WALLET, "gas"), (books.COLD_WALLET, "cold")):
            played = self.addresses_of(role)
            assert self.balance(account) == sum(map(self.usdt_of, played)), account
            assert self.balance(account, "TRX") == sum(map(self.sun_of, played)), account
        assert self.balance(books.PAYIN_WALLETS) == sum(map(self.usdt_of, self.addresses))
        assert self.balance(books.PAYIN_WALLETS, "TRX") == sum(map(self.sun_of, self.addresses))
        assert (self.balance(books.IN_TRANSIT), self.balance(books.IN_TRANSIT, "TRX")) == (0, 0)
        online = [*self.addresses_of("hot"), *self.addresses_of("gas")]
        accounts_now = [account for each in online if (account := self.node.account(each)) is not None]
        assert self.balance(books.STAKED, "TRX") == sum(it.owned_sun - it.balance_sun for it in accounts_now)
        self.holdings._all()
        for address in self.addresses:
            row = self.holdings.rows.get(address.base58, {"USDT": 0, "TRX": 0})
            assert (row["USDT"], row["TRX"]) == (self.usdt_of(address), self.sun_of(address)), address
