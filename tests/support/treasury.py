"""The canonical sweep: one address, its instructions, and a history that has every event of the treasury in it."""

import hashlib
from collections.abc import Sequence

import msgspec

from core.ledger.journal import derived_id
from core.ledger.ledger import Command, Ledger
from core.streams.attempts import Attempt, BroadcastAttempt, ExpireAttempt, PrepareAttempt, ProofOfDeath, SignAttempt
from core.streams.instructions import (
    Act,
    ConfirmInstruction,
    Delegate,
    FailInstruction,
    Freeze,
    GiveInstruction,
    Instruction,
    Purpose,
    SendToken,
    SendTrx,
    Undelegate,
    Unfreeze,
    Wallet,
    WithdrawInstruction,
    WithdrawUnfrozen,
)
from core.streams.quarantine import QuarantineAddress, ReleaseAddress
from core.streams.sweeps import (
    ConfirmSweep,
    DeferSweep,
    FailSweep,
    FuelSweep,
    PlanSweep,
    ReleaseSweep,
    SendSweep,
    SweepOrder,
    next_instruction_id,
    sweep_id,
)
from core.streams.treasury import RegisterWallet
from core.streams.wallet.rotation import AskWalletRotation, BeginWalletRotation, RetireWallet
from core.tron.address import Address
from tests.support.history import (
    ACTOR,
    ALICE_ADDRESS,
    HOT_WALLET,
    USDT,
    address,
    append_history,
    confirm,
    execute,
    transfer,
)

GAS_WALLET = address("gas wallet")
COLD_WALLET = address("cold wallet")


def sweep_order(number: int = 1, of: Address = ALICE_ADDRESS, amount_minor: int = 15 * USDT) -> SweepOrder:
    return SweepOrder(
        sweep_id=sweep_id(of.base58, number),
        address=of.base58,
        number=number,
        currency="USDT",
        amount_minor=amount_minor,
        destination="hot",
        to=HOT_WALLET.base58,
        method="loan",
        cost_sun=1_100_000,
        block_number=170,
    )


def step(order: SweepOrder, given: int, purpose: Purpose, wallet: Wallet, owner: Address, act: Act) -> Instruction:
    """The instruction that a sweep gives after `given` others."""
    name = next_instruction_id(order.sweep_id, given)
    return Instruction(name, purpose, order.stream, owner.base58, wallet, act)


def activation(order: SweepOrder, given: int = 0) -> Instruction:
    return step(order, given, "fuel", "gas", GAS_WALLET, SendTrx(order.address, 1))


def loan(order: SweepOrder, given: int = 1) -> Instruction:
    return step(order, given, "loan", "gas", GAS_WALLET, Delegate(order.address, 5_825 * USDT, "ENERGY"))


def transfer_of(order: SweepOrder, given: int = 2) -> Instruction:
    act = SendToken(order.to, order.amount_minor)
    return step(order, given, "sweep", "payin", Address.from_base58(order.address), act)


def loan_return(order: SweepOrder, lent: Instruction) -> Instruction:
    assert isinstance(lent.act, Delegate)
    act = Undelegate(lent.act.receiver, lent.act.stake_sun, lent.act.resource)
    name = str(derived_id("instruction", lent.instruction_id, "return"))
    return Instruction(name, "loan_return", order.stream, lent.owner, "gas", act)


def attempt_of(instruction: Instruction, number: int = 1) -> Attempt:
    raw_data = f"{instruction.instruction_id} {number}".encode()
    return Attempt(
        number=number,
        txid=hashlib.sha256(raw_data).hexdigest(),
        raw_data=raw_data.hex(),
        expiration_ms=1_767_225_660_000,
        ref_block_number=100,
        ref_block_id=f"{100:016x}" + "0" * 48,
        timestamp_ms=1_767_225_600_000,
        fee_limit_sun=0,
        from_address=instruction.owner,
    )


def proof_of(instruction: Instruction, number: int = 1) -> ProofOfDeath:
    tried = attempt_of(instruction, number)
    first, last = tried.ref_block_number + 1, tried.ref_block_number + 50
    ids = (f"{height:016x}" + "0" * 48 for height in (first, last))
    first_id, last_id = ids
    return ProofOfDeath(first, first_id, last, last_id, tried.expiration_ms, 50)


def sent(instruction: Instruction, number: int = 1) -> list[Command]:
    """Prepare, sign and broadcast one attempt."""
    tried = attempt_of(instruction, number)
    return [
        PrepareAttempt(instruction, ACTOR, attempt=tried),
        SignAttempt(instruction, ACTOR, txid=tried.txid, signature="00" * 65),
        BroadcastAttempt(instruction, ACTOR, txid=tried.txid),
    ]


def done(instruction: Instruction, number: int = 1, burned_sun: int = 1_100_000) -> ConfirmInstruction:
    return ConfirmInstruction(
        instruction,
        ACTOR,
        txid=attempt_of(instruction, number).txid,
        block_number=175,
        block_timestamp_ms=1_767_225_800_000,
        burned_sun=burned_sun,
    )


def failed(instruction: Instruction, number: int = 1) -> FailInstruction:
    sent_as = attempt_of(instruction, number).txid
    return FailInstruction(
        instruction, ACTOR, failure_code="reverted", txid=sent_as, block_number=175, burned_sun=862_400
    )


def treasury_batches() -> list[Sequence[Command]]:
    """A sweep by loan, one that fails, one that is put off; each batch is one append."""
    first, second, third = (sweep_order(number) for number in (1, 2, 3))
    activated, lent, moved = activation(first), loan(first), transfer_of(first)
    returned = loan_return(first, lent)
    again = step(second, 0, "sweep", "payin", ALICE_ADDRESS, SendToken(second.to, second.amount_minor))
    unused = step(third, 0, "fuel", "gas", GAS_WALLET, SendTrx(third.address, 7))
    return [
        [
            RegisterWallet("gas", GAS_WALLET.base58, "kms:gas", ACTOR),
            RegisterWallet("cold", COLD_WALLET.base58, None, ACTOR),
        ],
        [PlanSweep(first, ACTOR), FuelSweep(first, None, ACTOR, activated), *sent(activated), done(activated)],
        [FuelSweep(first, activated.instruction_id, ACTOR, lent), *sent(lent)],
        [ExpireAttempt(lent, ACTOR, txid=attempt_of(lent).txid, proof=proof_of(lent)), *sent(lent, 2)],
        [done(lent, 2, 280_000), SendSweep(first, lent.instruction_id, ACTOR, moved, needed_energy=64_285)],
        [*sent(moved), done(moved, burned_sun=0), ConfirmSweep(first, moved.instruction_id, ACTOR)],
        [GiveInstruction(returned, ACTOR), *sent(returned), done(returned), ReleaseSweep(first, None, ACTOR)],
        [PlanSweep(second, ACTOR), SendSweep(second, None, ACTOR, again, needed_energy=64_285), *sent(again)],
        [
            failed(again),
            FailSweep(second, again.instruction_id, ACTOR, failure_code="reverted", txid=attempt_of(again).txid),
            QuarantineAddress(ALICE_ADDRESS.base58, "blacklisted", "the token says so", ACTOR),
        ],
        [
            ReleaseAddress(ALICE_ADDRESS.base58, "the token has cleared it", ACTOR),
            PlanSweep(third, ACTOR),
            FuelSweep(third, None, ACTOR, unused),
            WithdrawInstruction(unused, ACTOR, reason="too dear"),
            DeferSweep(third, unused.instruction_id, ACTOR, reason="too dear"),
        ],
    ]


def own_instruction(name: str, purpose: Purpose, wallet: Wallet, owner: Address, act: Act) -> Instruction:
    """One that is part of no sweep."""
    return Instruction(str(derived_id("instruction", "alone", name)), purpose, "", owner.base58, wallet, act)


def wallet_batches() -> list[Sequence[Command]]:
    """Stake made and ended, hot to cold and back, coins from our own wallets, TRX by a contract; each batch is one append."""
    frozen = own_instruction("freeze", "stake", "gas", GAS_WALLET, Freeze(5_000 * USDT, "ENERGY"))
    asked = own_instruction("unfreeze", "stake", "gas", GAS_WALLET, Unfreeze(2_000 * USDT, "ENERGY"))
    back = own_instruction("withdraw", "stake", "gas", GAS_WALLET, WithdrawUnfrozen())
    excess = own_instruction("excess", "excess", "hot", HOT_WALLET, SendToken(COLD_WALLET.base58, 9 * USDT))
    refill = own_instruction("refill", "refill", "cold", COLD_WALLET, SendToken(HOT_WALLET.base58, 4 * USDT))
    arrived = msgspec.structs.replace(
        transfer("excess", COLD_WALLET, 9 * USDT, wallet="cold"), txid=attempt_of(excess).txid, from_wallet="hot"
    )
    handed_on = transfer("handed on", HOT_WALLET, 3 * USDT, log_index=-2, wallet="hot")
    by_hand = msgspec.structs.replace(transfer("hand", HOT_WALLET, 2 * USDT, wallet="hot"), from_wallet="cold")
    return [
        [GiveInstruction(frozen, ACTOR), *sent(frozen), done(frozen, burned_sun=0)],
        [GiveInstruction(asked, ACTOR), *sent(asked), done(asked)],
        [GiveInstruction(back, ACTOR), *sent(back)],
        [msgspec.structs.replace(done(back), returned_sun=2_000 * USDT)],
        [GiveInstruction(excess, ACTOR), *sent(excess), done(excess)],
        [GiveInstruction(refill, ACTOR), *sent(refill), msgspec.structs.replace(done(refill), taken_minor=1)],
        [msgspec.structs.replace(confirm(arrived), sent_by=excess.stream), confirm(by_hand), confirm(handed_on)],
    ]


def append_treasury(ledger: Ledger) -> int:
    """Append the treasury's history behind the clients'; -> its last position."""
    append_history(ledger)
    return max(execute(ledger, *batch) for batch in treasury_batches())


def append_rotated(ledger: Ledger) -> int:
    """The canonical history, and another hot wallet in the place of the first; -> the last position."""
    append_history(ledger)
    successor = address("new hot wallet").base58
    execute(ledger, AskWalletRotation("hot", ACTOR))
    execute(ledger, BeginWalletRotation("hot", ACTOR, address=successor, key_id="keystore:hot-2"))
    return execute(ledger, RetireWallet("hot", ACTOR, address=HOT_WALLET.base58, block_number=9_000))
