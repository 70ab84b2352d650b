"""The signer's database login alone, without its keys: it says what is to move, and that moves between our own keys alone."""

from uuid import UUID

import msgspec
import psycopg
import pytest

from core.streams.deposits import DepositConfirmed
from core.streams.instructions import Instruction, InstructionGiven, Purpose, SendToken, SendTrx
from core.streams.payout.approvals import PayoutApproved, payout_digest
from core.streams.payouts import PayoutSigned
from core.streams.signing import SIGNING, SigningResumed
from core.streams.treasury import SystemWalletRegistered, wallet_stream
from core.tron.address import Address
from gateways.postgres.roles import SIGNER
from signers.keys.derivation import deposit_path
from signers.outgoing.homes import Homes
from tests.insiders.world import COINS, COLD, HOT, Insiders, forged, request_of
from tests.signers.payments import KEY
from tests.support.history import ALICE, TickingClock, address, confirm, order, transfer
from tests.support.memory import MemoryPool

BY = {"occurred_at": TickingClock()(), "actor": "system:sweeps"}
MALLORY = address("Mallory's")


def instruct(purpose: Purpose, to: Address, minor: int) -> Instruction:
    return Instruction(str(UUID(int=1)), purpose, "", HOT.base58, "hot", SendToken(to.base58, minor))


@pytest.mark.parametrize("purpose", ["excess", "evacuation"])
def test_an_invented_cold_wallet_gets_nothing(world: Insiders, purpose: Purpose) -> None:
    """A row in the pool, a registered wallet and an instruction, all of the thief's making: 0 coins, and it rings."""
    with world.login(SIGNER) as conn:
        conn.execute(
            "INSERT INTO addresses (evm, base58, wallet, key_id, state) VALUES (%s, %s, 'cold', NULL, 'taken')",
            (MALLORY.evm, MALLORY.base58),
        )
    world.pool.wallets[MALLORY.evm] = "cold"  # what the signer's own pool reads there
    registered = SystemWalletRegistered(role="cold", address=MALLORY.base58, key_id=None, **BY)
    given = InstructionGiven(instruction=instruct(purpose, MALLORY, 500 * COINS), **BY)
    world.append_as(SIGNER, forged(wallet_stream("cold"), 1, registered), forged(given.instruction.stream, 1, given))
    world.live()
    assert world.paid_minor == 0
    assert MALLORY.base58 in world.alarms()["instruction_goes_astray"]


def test_the_cold_wallet_of_the_settings_gets_what_is_instructed(world: Insiders) -> None:
    """The same instruction to the address that the signer itself knows is made."""
    world.pool.wallets[COLD.evm] = "cold"
    given = InstructionGiven(instruction=instruct("excess", COLD, 500 * COINS), **BY)
    world.append_as(SIGNER, forged(given.instruction.stream, 1, given))
    world.live()
    assert world.paid_minor == 500 * COINS
    assert "instruction_goes_astray" not in world.alarms()


class Derived:
    """The port `Keys`: one deposit address' key."""

    def key(self, _: str) -> object:
        return KEY


@pytest.mark.parametrize(
    ("role", "to", "fits"),
    [
        ("hot", HOT, True),
        ("hot", MALLORY, False),
        ("gas", MALLORY, False),
        ("payin", KEY.address, True),
        ("payin", MALLORY, False),
        ("cold", COLD, True),
        ("cold", MALLORY, False),
        (None, MALLORY, False),
    ],
)
def test_an_address_is_ours_by_its_key_and_by_no_row(role: str | None, to: Address, fits: bool) -> None:
    """Whatever role the pool gives it: a sweep, TRX for a deposit address, a loan, all go to keys that this signer holds."""
    pool = MemoryPool({to: role} if role else {})
    pool.ids[to.evm] = f"derived:{deposit_path(1)}"
    homes = Homes(pool, {"hot": HOT}, Derived(), COLD)  # type: ignore[arg-type]
    sent = msgspec.structs.replace(instruct("sweep", to, 1), act=SendTrx(to.base58, 1))
    assert (homes.objection(sent) is None) is fits


@pytest.mark.parametrize("cold", [None, "any"])
def test_without_a_setting_a_real_network_brings_nothing_to_cold_storage(cold: object) -> None:
    """On a test network whatever is registered is enough."""
    homes = Homes(MemoryPool({COLD: "cold"}), {"hot": HOT}, None, cold)  # type: ignore[arg-type]
    assert (homes.objection(instruct("excess", COLD, 1)) is None) is (cold == "any")


def test_it_credits_asks_approves_and_resumes_nothing(world: Insiders) -> None:
    """A deposit, a request, an approval and a resumption are others' events: the database refuses them to the signer."""
    wished = world.asked("large", 800 * COINS)
    approved = PayoutApproved(
        payout_id=wished.payout_id,
        account_id=ALICE,
        approver="ann",
        digest=payout_digest(wished).hex(),
        signature="00",
        **BY,
    )
    fact = transfer("never", address(f"{ALICE}'s"), COINS)
    came = confirm(fact, ALICE, "User_Liability")
    deposit = DepositConfirmed(account_id=ALICE, ledger_account=came.ledger_account, transfer=fact, postings=(), **BY)
    for row in (
        forged(fact.stream, 1, deposit),
        request_of(order(ALICE, "forged", COINS)),
        forged(wished.stream, 2, approved),
        forged(SIGNING, 1, SigningResumed(causes=(), reason="ok", **BY)),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.append_as(SIGNER, row)


def test_a_signature_of_no_key_is_sent_nowhere(world: Insiders) -> None:
    """It says that a payout above the limits was signed: nothing was, and no byte leaves."""
    wished = world.asked("large", 800 * COINS)
    signed = PayoutSigned(payout_id=wished.payout_id, account_id=ALICE, txid="00" * 32, signature="00" * 65, **BY)
    world.append_as(SIGNER, forged(wished.stream, 2, signed))
    world.live()
    assert world.paid_minor == 0
