"""A transfer from cold storage that two of three holders sign, and a death at every boundary there is (I7, I9, I11)."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from core.ledger.ledger import Command
from core.streams.attempts import Attempt, BroadcastAttempt, PrepareAttempt, SignAttempt
from core.streams.instructions import GiveInstruction, Instruction, InstructionConfirmed, SendToken
from core.streams.wallet.permissions import DeclarePermissions
from core.tron.address import Address
from core.tron.permissions import Grant, KeyWeight, PermissionSet, mask_of
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Permission
from signers.keys.keys import SoftwareKey
from signers.outcomes import append
from signers.outgoing.settlement import reference_block
from signers.transactions.build import envelope_for
from signers.transactions.bundles import Bundle, Policy, bundle_of, read, signed, transaction_of
from signers.transactions.intents import attempt_of, intent_of_instruction
from tests.support.history import ACTOR, execute
from tests.support.memory import Crash, Fuse
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

HOLDERS: Final = tuple(SoftwareKey(sha256(f"holder {number}".encode()).digest()) for number in range(3))
KEYS: Final = tuple(KeyWeight(key.address.base58) for key in HOLDERS)
SHARED: Final = PermissionSet(Grant(0, 2, KEYS), (Grant(2, 2, KEYS, ("TransferContract",)),))
CEILING: Final = 60 * COINS
BOUNDARIES_MIN: Final = 8
"""Prepared, submitted, each before and after its append; the broadcast; the scanner's and the worker's appends."""


class Calls(NamedTuple):
    """The two calls that leave a trace, as they are."""

    append: Callable[..., Any]
    broadcast: Callable[..., Any]


class Office:
    """The two commands of cold storage's operator and the two machines of its holders; files outlive a death."""

    def __init__(self, world: TreasuryWorld) -> None:
        self.world = world
        act = SendToken(world.hot.base58, 300 * COINS)
        key = str(UUID(bytes=sha256(b"the refill").digest()[:16], version=4))
        self.instruction = Instruction(key, "refill", "", world.cold.base58, "cold", act)
        self.file: bytes | None = None

    def prepare(self) -> None:
        """As `counterfoil cold prepare`: recorded first, then the file is written; prepared again where the file is lost."""
        world, solid = self.world, self.world.node.solid()
        reference = reference_block(world.log, solid)
        assert reference is not None
        attempt = self._known() or self._attempt(reference)
        commands: list[Command] = [
            GiveInstruction(self.instruction, ACTOR),
            PrepareAttempt(self.instruction, ACTOR, attempt=attempt),
        ]
        append(world.ledger, commands)
        policy = Policy(world.hot.base58, USDT.base58, 300 * COINS, CEILING, world.node.head().timestamp_ms)
        self.file = bundle_of("devnet", "00" * 32, self.instruction, attempt, policy, SHARED.owner).encode()

    def _known(self) -> Attempt | None:
        prepared = self.world.store.histories([self.instruction.stream]).get(self.instruction.stream, ())
        return next((it.event.attempt for it in prepared if hasattr(it.event, "attempt")), None)

    def _attempt(self, reference: Any) -> Attempt:
        envelope = envelope_for(
            UUID(self.instruction.instruction_id).bytes,
            1,
            reference,
            chain_time_ms=self.world.node.head().timestamp_ms,
            lifetime_ms=3_600_000,
            fee_limit_sun=30 * COINS,
        )
        return attempt_of(intent_of_instruction(self.instruction, USDT), envelope, 1)

    def sign(self, holder: SoftwareKey) -> None:
        assert self.file is not None
        self.file = signed(read(self.file), holder, CEILING).encode()

    def submit(self) -> None:
        """As `counterfoil cold submit`: both signatures and the intent to broadcast are one append."""
        assert self.file is not None
        bundle: Bundle = read(self.file)
        assert not bundle.missing
        commands: list[Command] = [
            SignAttempt(self.instruction, ACTOR, txid=bundle.attempt.txid, signature="".join(bundle.given)),
            BroadcastAttempt(self.instruction, ACTOR, txid=bundle.attempt.txid),
        ]
        append(self.world.ledger, commands)
        self.world.node.broadcast(transaction_of(bundle))

    def work(self) -> None:
        """Whatever is not done of it, from the beginning: each command again, where it died in it."""
        if self.file is None:
            self.prepare()
        assert self.file is not None
        for holder in HOLDERS[:2]:
            if holder.address.base58 not in read(self.file).signers:
                self.sign(holder)
        self.submit()


def shared_cold_wallet() -> TreasuryWorld:
    """Cold storage with coins, whose owner is two of three: on the chain and declared."""
    world = TreasuryWorld(hot_usdt=100)
    world.give(world.cold, usdt=1_000, trx=100)
    world.live(SOLID_LAG + 2)
    account = accounts.find(world.devnet.chain.state, world.cold)
    assert account is not None
    owner, *actives = (
        Permission(
            each.id,
            "any",
            each.threshold,
            tuple((Address.from_base58(key.address), key.weight) for key in each.keys),
            mask_of(each.operations) if each.id else b"",
        )
        for each in SHARED
    )
    changed = msgspec.structs.replace(account, owner=owner, actives=tuple(actives))
    world.devnet.chain.state.apply({("account", world.cold): changed})
    wish = DeclarePermissions(role="cold", address=world.cold.base58, actor=ACTOR, permissions=SHARED)
    execute(world.ledger, wish)
    return world


def life(fuse: Fuse) -> tuple[TreasuryWorld, int]:
    """-> the world when all is settled, and the TRX of cold storage before; whatever dies is started again."""
    world = shared_cold_wallet()
    office, before_sun = Office(world), world.sun_of(world.cold)
    calls = Calls(world.store.append, world.node.broadcast)
    fused = fuse.through(calls)
    world.store.append, world.node.broadcast = fused.append, fused.broadcast  # type: ignore[method-assign]
    try:
        office.work()
        world.live(2 * SOLID_LAG)
    except Crash:
        world.store.append, world.node.broadcast = calls.append, calls.broadcast  # type: ignore[method-assign]
        world.queue.timeout()  # what the dead process had taken is given out again
        world.start()
        office.work()
        world.live(2 * SOLID_LAG)
    world.settle()
    return world, before_sun


def test_a_death_at_any_boundary_brings_the_coins_once() -> None:
    """The hot wallet has them once, the fee for two signatures is booked once, books and chain agree, wherever it died."""
    places = 0
    while True:
        fuse = Fuse(places)
        world, before_sun = life(fuse)
        assert world.usdt_of(world.hot) == 400 * COINS, places
        assert world.usdt_of(world.cold) == 700 * COINS, places
        [done] = [it for it in world.events(InstructionConfirmed) if it.instruction.purpose == "refill"]
        assert done.burned_sun >= COINS, places
        assert before_sun - world.sun_of(world.cold) == done.burned_sun, places
        world.assert_books_are_the_chain()
        if not fuse.blown:
            break
        places += 1
    assert places >= BOUNDARIES_MIN
