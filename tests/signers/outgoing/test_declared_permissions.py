"""Wallets whose owner is several keys elsewhere: held to what is declared, and signed by an active permission of one key."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.ledger.ledger import Accepted, Refused
from core.proofs.notes import NoteKey
from core.streams.evacuation import BeginEvacuation
from core.streams.instructions import InstructionPrepared
from core.streams.payouts import PayoutPrepared
from core.streams.signing import SIGNING, PermissionsAgreed, Signing
from core.streams.treasury import Role
from core.streams.wallet.permissions import (
    ApprovePermissions,
    DeclarePermissions,
    PermissionsDiffer,
    declarations_of,
)
from core.tron.address import Address
from core.tron.permissions import Grant, KeyWeight, PermissionSet, mask_of
from core.tron.transactions import RAW
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Permission
from projections.explain.signing import holding
from signers.keys.keys import SoftwareKey
from signers.leash.approvers import Approvers
from signers.outgoing.permissions import Permissions
from signers.permission_watch import PermissionWatch
from tests.signers.payments import STRANGER
from tests.support.history import ACTOR, execute
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = pytest.mark.fast

HOLDERS = tuple(SoftwareKey(sha256(f"holder {number}".encode()).digest()).address for number in range(3))
PAYS = ("TransferContract", "TriggerSmartContract")
ANN = Ed25519PrivateKey.from_private_bytes(b"a" * 32)


def two_of_three(own: Address, *operations: str, holders: tuple[Address, ...] = HOLDERS) -> PermissionSet:
    """The owner is two of three keys elsewhere; the wallet's own key may do these operations."""
    owner = Grant(0, 2, tuple(KeyWeight(each.base58) for each in holders))
    return PermissionSet(owner, (Grant(2, 1, (KeyWeight(own.base58),), operations or PAYS),))


class Watched(TreasuryWorld):
    """With the watch beside the workers, which are started anew with what `needed` approvals make them believe."""

    def __init__(self, needed: int = 0, **world: Any) -> None:
        self.needed = needed
        super().__init__(**world)

    def start(self) -> None:
        super().start()
        listed = Approvers((NoteKey("ann", ANN.public_key().public_bytes_raw()),))
        self.permissions = Permissions(self.store, self.node, listed, self.needed)
        self.payouts._permissions = self.instructions._permissions = self.permissions
        self.watch = PermissionWatch(self.ledger, self.store, self.node, self.permissions, alarm=self.ring)

    def work(self) -> None:
        super().work()
        self.watch.step()
        super().work()

    def change(self, address: Address, declared: PermissionSet) -> None:
        """The chain has these from now on, whoever signed it: no transaction of the wallet's is in a block."""
        account = accounts.find(self.devnet.chain.state, address)
        assert account is not None
        owner, *actives = (
            Permission(
                each.id,
                "any",
                each.threshold,
                tuple((Address.from_base58(key.address), key.weight) for key in each.keys),
                mask_of(each.operations) if each.id else b"",
            )
            for each in declared
        )
        changed = msgspec.structs.replace(account, owner=owner, actives=tuple(actives))
        self.devnet.chain.state.apply({("account", address): changed})

    def declare(self, role: Role, address: Address, declared: PermissionSet) -> None:
        execute(self.ledger, DeclarePermissions(role=role, address=address.base58, actor=ACTOR, permissions=declared))

    def approve(self, role: Role, address: Address, key: Ed25519PrivateKey = ANN) -> None:
        histories = self.store.histories([f"wallet-{role}"]).values()
        digest = declarations_of(histories)[address.base58][0].digest
        signed = {"approver": "ann", "digest": digest.hex(), "signature": key.sign(digest).hex()}
        execute(self.ledger, ApprovePermissions(role=role, address=address.base58, actor=ACTOR, **signed))

    @property
    def stopped_for(self) -> list[str]:
        return [each.cause for each in holding(self.store)]


@pytest.fixture
def world() -> Watched:
    watched = Watched(hot_usdt=1_000)
    watched.deposits(300)
    return watched


def permission_ids(world: Watched, kind: type) -> set[int]:
    """Of the bytes that were prepared: what they say, and what is recorded of them."""
    attempts = [happened.attempt for happened in world.events(kind)]
    said = {RAW.decode(bytes.fromhex(it.raw_data))["contract"][0].get("Permission_id", 0) for it in attempts}
    assert said == {it.permission_id for it in attempts}
    return said


def test_a_declared_wallet_pays_by_its_active_permission(world: Watched) -> None:
    """Its owner is two of three, its own key pays by permission 2: bytes and event say so, and the books are the chain."""
    declared = two_of_three(world.hot)
    world.change(world.hot, declared)
    world.declare("hot", world.hot, declared)
    wished = world.pay_out("p1", 100)
    world.live(2 * SOLID_LAG)
    assert world.payout(wished).state == "confirmed"
    assert permission_ids(world, PayoutPrepared) == {2}
    assert world.stopped_for == []
    world.assert_books_are_the_chain()


def test_the_gas_wallet_lends_by_its_active_permission() -> None:
    """A sweep's fuel is made by permission 2 of the gas wallet, the deposit address' own transfer by its owner's."""
    world = Watched()
    declared = two_of_three(world.gas, "TransferContract", "DelegateResourceContract", "UnDelegateResourceContract")
    world.change(world.gas, declared)
    world.declare("gas", world.gas, declared)
    [address] = world.deposits(120)
    world.settle()
    assert world.usdt_of(address) == 0
    prepared = {
        (it.instruction_id, it.attempt.permission_id, it.attempt.from_address)
        for it in world.events(InstructionPrepared)
    }
    assert {(by, owner) for _, by, owner in prepared} == {(2, world.gas.base58), (0, address.base58)}
    world.assert_books_are_the_chain()


def test_a_change_that_is_not_declared_stops_signing_in_words_until_it_is(world: Watched) -> None:
    """Nothing is paid, the cause says what differs; the declaration ends it, and the payout is made."""
    declared = two_of_three(world.hot)
    world.change(world.hot, declared)
    wished = world.pay_out("p1", 100)
    world.live(SOLID_LAG)
    assert world.stopped_for == ["wallet_permission_changed"]
    assert HOLDERS[0].base58 in holding(world.store)[0].sentence
    assert world.payout(wished).attempts.signature is None
    world.declare("hot", world.hot, declared)
    world.live(3 * SOLID_LAG)
    assert world.stopped_for == []
    assert world.payout(wished).state == "confirmed"
    assert len(world.events(PermissionsAgreed)) == 1


def test_any_difference_of_a_declared_wallet_stops_signing_until_it_is_put_right(world: Watched) -> None:
    """Another threshold, another weight, one operation more, one permission more: each stops, and ends with the old ones."""
    declared = two_of_three(world.hot)
    owner, [active] = declared.owner, declared.actives
    replace = msgspec.structs.replace
    world.change(world.hot, declared)
    world.declare("hot", world.hot, declared)
    world.live(SOLID_LAG + 1)
    others = [
        (replace(declared, owner=replace(owner, threshold=1)), "the owner permission is 1 of"),
        (
            replace(declared, owner=replace(owner, keys=(KeyWeight(HOLDERS[0].base58, 2), *owner.keys[1:]))),
            "(weight 2)",
        ),
        (
            replace(declared, actives=(replace(active, operations=(*PAYS, "FreezeBalanceV2Contract")),)),
            "FreezeBalanceV2",
        ),
        (replace(declared, actives=(active, replace(active, id=3))), "active permission 3 is 1 of"),
    ]
    for other, words in others:
        world.change(world.hot, other)
        world.live(SOLID_LAG + 1)
        assert world.stopped_for == ["wallet_permission_changed"], words
        assert words in world.events(PermissionsDiffer)[-1].sentence
        world.change(world.hot, declared)
        world.live(SOLID_LAG + 1)
        assert world.stopped_for == [], words


def test_what_no_approver_has_signed_is_not_believed() -> None:
    """A declaration that stands in the history alone changes nothing, nor does a stranger's signature; the approver's does."""
    world = Watched(needed=1, hot_usdt=1_000)
    world.deposits(300)
    declared = two_of_three(world.hot)
    world.change(world.hot, declared)
    world.declare("hot", world.hot, declared)
    world.approve("hot", world.hot, Ed25519PrivateKey.from_private_bytes(b"b" * 32))
    wished = world.pay_out("p1", 100)
    world.live(2 * SOLID_LAG)
    assert world.stopped_for == ["wallet_permission_changed"]
    assert world.payout(wished).attempts.signature is None
    world.approve("hot", world.hot)
    world.live(3 * SOLID_LAG)
    assert world.payout(wished).state == "confirmed"


def test_an_old_approval_is_of_no_later_declaration() -> None:
    """What was approved once, and declared anew by somebody else, is not believed: its number is another."""
    world = Watched(needed=1)
    first, second = two_of_three(world.hot), two_of_three(world.hot, "TransferContract")
    world.declare("hot", world.hot, first)
    world.approve("hot", world.hot)
    old = world.permissions
    old.read()
    [approved] = [made.approvals[0] for made in [old.newest(world.hot.base58)] if made]
    world.declare("hot", world.hot, second)
    world.approve("hot", world.hot)
    world.declare("hot", world.hot, first)
    again = {"approver": "ann", "digest": approved.digest, "signature": approved.signature}
    command = ApprovePermissions(role="hot", address=world.hot.base58, actor=ACTOR, **again)
    [outcome] = world.ledger.execute([command])
    assert isinstance(outcome, Refused)
    old.read()
    assert old.declared(world.hot.base58) == second


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"owner": Grant(0, 4, tuple(KeyWeight(each.base58) for each in HOLDERS))}, "never weigh 4"),
        ({"owner": Grant(0, 1, (KeyWeight(HOLDERS[0].base58), KeyWeight(HOLDERS[0].base58)))}, "names a key twice"),
        (
            {"actives": (Grant(2, 1, (KeyWeight(HOLDERS[0].base58),), ("AccountPermissionUpdateContract",)),)},
            "the owner's alone",
        ),
        ({"actives": (Grant(3, 1, (KeyWeight(HOLDERS[0].base58),), PAYS),)}, "counted from 2 on"),
        ({"actives": ()}, "between 1 and 8"),
    ],
)
def test_what_no_account_should_have_is_not_declared(world: Watched, change: dict[str, Any], words: str) -> None:
    """Also an active permission that may change permissions: whoever has its key would be the owner."""
    wanted = msgspec.structs.replace(two_of_three(world.hot), **change)
    command = DeclarePermissions(role="hot", address=world.hot.base58, actor=ACTOR, permissions=wanted)
    [outcome] = world.ledger.execute([command])
    assert isinstance(outcome, Refused)
    assert words in outcome.refusal.detail


def test_only_the_wallet_that_plays_the_role_is_declared(world: Watched) -> None:
    """Another address is refused; the same declaration twice is one event."""
    wanted = two_of_three(world.hot)
    [refused] = world.ledger.execute(
        [DeclarePermissions(role="hot", address=world.gas.base58, actor=ACTOR, permissions=wanted)]
    )
    assert isinstance(refused, Refused)
    command = DeclarePermissions(role="hot", address=world.hot.base58, actor=ACTOR, permissions=wanted)
    outcomes = world.ledger.execute([command, command])
    assert sum(len(each.events) for each in outcomes if isinstance(each, Accepted)) == 1


def test_bytes_that_were_prepared_before_a_declaration_die_unsigned(world: Watched) -> None:
    """They name the owner's permission; once another set is declared and on the chain, others are made by permission 2."""
    wished = world.pay_out("p1", 100)
    world.payouts.step()
    assert world.payout(wished).attempts.signature is None
    declared = two_of_three(world.hot)
    world.change(world.hot, declared)
    world.declare("hot", world.hot, declared)
    world.live(4 * SOLID_LAG)
    assert world.payout(wished).state == "confirmed"
    assert [it.attempt.permission_id for it in world.events(PayoutPrepared)] == [0, 2]


def test_one_wallet_that_is_right_again_ends_no_other_s_cause(world: Watched) -> None:
    """Two wallets differ; signing goes on when both are put right, not one."""
    hot, gas = two_of_three(world.hot), two_of_three(world.gas)
    world.change(world.hot, hot)
    world.change(world.gas, gas)
    world.live(SOLID_LAG + 1)
    world.declare("hot", world.hot, hot)
    world.live(SOLID_LAG + 1)
    assert world.stopped_for == ["wallet_permission_changed"]
    world.declare("gas", world.gas, gas)
    world.live(SOLID_LAG + 1)
    assert world.stopped_for == []


def test_an_evacuation_leaves_a_wallet_that_is_not_ours_alone_and_enters_none(world: Watched) -> None:
    """Another key of the hot wallet's stops no evacuation; another key of cold storage's does."""
    thief = PermissionSet(
        Grant(0, 1, (KeyWeight(world.hot.base58), KeyWeight(STRANGER.base58))), two_of_three(world.hot).actives
    )
    world.change(world.hot, thief)
    execute(world.ledger, BeginEvacuation("another key may sign", ACTOR))
    world.live(5 * SOLID_LAG)
    assert world.usdt_of(world.hot) == 1
    other = Watched(hot_usdt=1_000)
    other.give(other.cold, trx=10)
    other.live(1)
    other.change(other.cold, two_of_three(other.cold, holders=(STRANGER, *HOLDERS[:2])))
    execute(other.ledger, BeginEvacuation("a key may be stolen", ACTOR))
    other.live(3 * SOLID_LAG)
    assert other.usdt_of(other.hot) == 1_000 * COINS
    assert any("cold wallet" in sentence or other.cold.base58 in sentence for _, sentence in other.alarms)


def test_without_the_look_before_a_signature_a_stolen_wallet_pays(world: Watched) -> None:
    """The broken variant: nobody compares, and what another key may sign for pays on."""
    world.change(
        world.hot,
        PermissionSet(
            Grant(0, 1, (KeyWeight(world.hot.base58), KeyWeight(STRANGER.base58))), two_of_three(world.hot).actives
        ),
    )
    world.permissions.difference = lambda *_, **__: ""  # type: ignore[method-assign]
    wished = world.pay_out("p1", 100)
    world.live(SOLID_LAG + 5)
    assert world.payout(wished).attempts.signature is not None


def test_without_approvers_a_forged_declaration_is_believed() -> None:
    """The broken variant: a signer that asks for nobody's signature believes whoever can append as a signer."""
    believing, asking = Watched(), Watched(needed=1)
    for world in (believing, asking):
        world.declare("hot", world.hot, two_of_three(world.hot))
        world.permissions.read()
    assert believing.permissions.declared(believing.hot.base58) is not None
    assert asking.permissions.declared(asking.hot.base58) is None


def test_the_state_of_signing_knows_what_stops_it(world: Watched) -> None:
    """Each wallet's stream stands beside the cause until it is over."""
    world.change(world.gas, two_of_three(world.gas))
    world.live(SOLID_LAG + 1)
    state = Signing()
    for recorded in world.store.histories([SIGNING])[SIGNING]:
        state = state.evolve(recorded.event)
    assert state.streams == {"wallet_permission_changed": (f"permissions-{world.gas}",)}
