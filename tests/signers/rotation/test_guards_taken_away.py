"""Each guard of a rotation does something: without it, what it holds back happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock, patch
from uuid import UUID

import pytest

from core.ledger.ledger import Accepted, Refused
from core.streams.attempts import PrepareAttempt
from core.streams.instructions import GiveInstruction, Instruction, InstructionWithdrawn, SendToken
from core.streams.payouts import PayoutOrder, PayoutPrepared
from core.tron.address import Address
from gateways.devnet.chain.genesis import USDT
from signers.fence import Fence
from signers.keys.keys import Key, SoftwareKey
from signers.keys.role_keys import RoleKeys
from signers.outgoing.instructions import Instructions
from signers.rotation.begin import BeginRotation
from signers.sweeps.open_sweeps import OpenSweeps
from signers.transactions.build import envelope_for
from signers.transactions.intents import attempt_of, intent_of_instruction
from tests.support.history import ACTOR, execute
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]


@contextmanager
def taken_away(target: type, name: str, instead: object) -> Iterator[None]:
    with patch.object(target, name, instead):
        yield


def payers_of_a_stale_worker() -> set[str]:
    """Who prepares a payout after a rotation, where the worker has not read of it; and the old address."""
    world = TreasuryWorld(hot_usdt=500)
    world.deposits(300)
    world.rotate("hot")
    world.work()
    old = world.addresses_of("hot")[0].base58
    with patch.object(RoleKeys, "look", lambda _: None):
        world.payouts._wallets.known, world.payouts._wallets.playing = world.role("hot"), world.keys.key("keystore:hot")
        world.pay_out("late", 10)
        for _ in range(3):
            world.payouts.step()
    return {it.attempt.from_address for it in world.events(PayoutPrepared)} & {old}


def test_a_worker_that_has_not_read_of_the_rotation_pays_nothing_from_the_old_wallet() -> None:
    """The decision knows it, under the append lock; without the decision the old wallet would pay on."""
    assert payers_of_a_stale_worker() == set()
    with taken_away(PayoutOrder, "made_by", lambda *_: None):
        assert len(payers_of_a_stale_worker()) == 1


def prepared_astray() -> bool:
    """Whether bytes are fixed that empty the old wallet into another than its successor."""
    world = TreasuryWorld(hot_usdt=100)
    world.rotate("hot")
    world.work()
    old = world.addresses_of("hot")[0]
    key = "00000000-0000-4000-8000-000000000000"
    astray = Instruction(key, "rotation", "", old.base58, "hot", SendToken(world.gas.base58, 5))
    execute(world.ledger, GiveInstruction(astray, ACTOR))
    head, solid = world.node.head(), world.node.solid()
    envelope = envelope_for(
        UUID(key).bytes, 1, solid, chain_time_ms=head.timestamp_ms, lifetime_ms=60_000, fee_limit_sun=20 * COINS
    )
    attempt = attempt_of(intent_of_instruction(astray, USDT), envelope, 1)
    [outcome] = world.ledger.execute([PrepareAttempt(astray, ACTOR, attempt=attempt)])
    assert isinstance(outcome, Accepted | Refused)
    return isinstance(outcome, Accepted)


def test_what_empties_a_wallet_is_fixed_for_its_successor_alone() -> None:
    """Whoever gives the instruction; without the decision it would be fixed for any wallet of ours."""
    assert not prepared_astray()
    with taken_away(Instruction, "held", lambda *_: None):
        assert prepared_astray()


def withdrawn_while_a_payout_is_on_its_way() -> int:
    """How many instructions of the rotation came to nothing."""
    world = TreasuryWorld(hot_usdt=100, hot_trx=40)
    world.deposits(90)
    world.pay_out("on its way", 80)
    world.work()
    world.rotate("hot")
    world.live(4 * SOLID_LAG)
    return len(world.events(InstructionWithdrawn))


def test_nothing_is_begun_while_bytes_of_the_old_wallet_may_be_mined() -> None:
    """What they take would be promised twice, and what was ordered come to nothing."""
    assert withdrawn_while_a_payout_is_on_its_way() == 0
    with taken_away(OpenSweeps, "is_making", lambda *_: False), taken_away(Instructions, "is_making", lambda *_: False):
        assert withdrawn_while_a_payout_is_on_its_way() > 0


class Mute:
    """The port `Keys` with a key that signs with another's."""

    def key(self, _: str) -> Key:
        return _Wrong()


class _Wrong:
    address = SoftwareKey(bytes([7]) * 32).address

    def sign_digest(self, digest: bytes) -> bytes:
        return SoftwareKey(bytes([8]) * 32).sign_digest(digest)


def rotated_to_a_key_that_cannot_sign() -> bool:
    world = TreasuryWorld(hot_usdt=100)
    begin = BeginRotation(world.ledger, world.store, world.pool, Mute(), "hot", world.maker, ACTOR, alarm=world.ring)
    world.rotate("hot")
    begin.step()
    return world.role("hot").begun is not None


def test_nothing_is_sent_to_a_key_that_has_not_signed() -> None:
    """One that signs as somebody else is given up; without the proof all coins would go to it."""
    assert not rotated_to_a_key_that_cannot_sign()

    def believed(_: object, key_id: str) -> Address:
        return Mute().key(key_id).address

    with taken_away(BeginRotation, "_proven", believed):
        assert rotated_to_a_key_that_cannot_sign()


def test_a_store_that_is_not_the_newest_names_no_wallet() -> None:
    """Where the fence does not hold, what was asked for waits."""
    world = TreasuryWorld(hot_usdt=100)
    shut = Mock(spec=Fence)
    shut.holds.return_value = False
    ports = (world.ledger, world.store, world.pool, world.keys, "hot", world.maker, ACTOR)
    begin = BeginRotation(*ports, alarm=world.ring, fence=shut)  # type: ignore[arg-type]
    world.rotate("hot")
    assert not begin.step()
    assert world.role("hot").asked is not None
    shut.holds.return_value = True
    assert begin.step()
    assert world.role("hot").begun is not None
