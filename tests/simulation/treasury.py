"""What must be true of the treasury's own transactions in the end: each made at most once, nothing lent, nothing open."""

from typing import Any

from core.streams.attempts import Attempt, Attempts
from core.streams.instructions import FINAL, InstructionState
from core.streams.sweeps import Sweep
from core.tron.transactions import TRIGGER
from gateways.devnet.execution import delegation
from gateways.devnet.execution.execution import DECREED
from gateways.devnet.state import accounts
from tests.simulation.broken import Broken
from tests.simulation.durable import Store
from tests.simulation.signing import lost_payments
from tests.simulation.system import System

_TRANSFER = bytes.fromhex("a9059cbb")


def open_treasury(store: Store) -> list[str]:
    """Streams of sweeps that are not closed, and of instructions that are not over."""
    sweeps = [stream for stream, sweep in _states(store, "sweep-", Sweep()).items() if not sweep.closed]
    return sweeps + [stream for stream, it in instructions(store).items() if it.state not in FINAL]


def instructions(store: Store) -> dict[str, InstructionState]:
    return _states(store, "instruction-", InstructionState())


def hot_instructions(system: System) -> set[str]:
    """The txids of every attempt of what left the hot wallet and was no payout."""
    hot = system.hot.base58
    made = (attempt for it in instructions(system.store).values() for attempt in it.attempts.made)
    return {attempt.txid for attempt in made if attempt.from_address == hot}


def check_treasury(system: System) -> None:
    """Raises Broken."""
    left = _mined(system)
    for txid in lost_payments(system.store):
        left.pop(txid, None)
    for stream, it in instructions(system.store).items():
        mined = [attempt.txid for attempt in it.attempts.made if attempt.txid in left]
        results = [left.pop(txid) for txid in mined]
        if len(mined) > 1:
            raise Broken("I7", f"{stream} was made {len(mined)} times: {mined}")
        expected = {"confirmed": ["SUCCESS"], "withdrawn": []}.get(it.state)
        if expected is not None and results != expected:
            raise Broken("I7", f"{stream} is {it.state}, the chain has {results}")
        if it.state == "failed" and results in ([], ["SUCCESS"]):
            raise Broken("I7", f"{stream} is failed, the chain has {results}")
        check_energy(system, stream, it.attempts)
    if left:
        raise Broken("I8", f"{dict(left)} are transactions of wallets of ours, and nobody here gave them")
    if still := open_treasury(system.store):
        raise Broken("liveness", f"{still} are open although nothing hinders them")
    lent = delegation.receivers(system.devnet.chain.solid_state(), system.gas)
    if lent:
        raise Broken("stake", f"energy is still lent to {[each.hex() for each in lent]}")


def staked_sun(account: accounts.Account) -> int:
    """What an account has frozen, lent or unfreezing."""
    frozen = sum(share.frozen_sun + share.delegated_sun for share in (account.energy, account.bandwidth))
    return frozen + sum(each.amount_sun for each in account.unfreezing)


def check_energy(system: System, stream: str, attempts: Attempts) -> None:
    """What was signed had enough, whatever its payee did and whatever was voted. Raises Broken."""
    chain = system.devnet.chain
    for attempt in attempts.made:
        found = chain.find(attempt.txid)
        if found is None or found[1].outcome.contract_ret != "OUT_OF_ENERGY" or found[1].outcome.message == DECREED:
            continue
        if not _issuer_acted(system, attempt, found[0].number):
            raise Broken("energy", f"{stream} ran out of energy by our own estimate: {attempt.txid}")


def _issuer_acted(system: System, attempt: Attempt, until: int) -> bool:
    """Whether the token changed under an attempt: paused, or with a fee, a call costs what no estimate could know."""
    chain = system.devnet.chain
    issuer = bytes(chain.genesis.treasury.address)
    for block in chain.blocks[attempt.ref_block_number + 1 : until + 1]:
        made = [each.transaction for each in block.included]
        acts = [each for each in made if each.kind == TRIGGER and each.owner == issuer]
        if any(each.parameter["data"][:4] != _TRANSFER for each in acts):
            return True
    return False


def _mined(system: System) -> dict[str, str]:
    """txid -> contractRet of every transaction of the gas wallet and of deposit addresses, and of the hot wallet's excess."""
    ours = {evm for evm, role in system.pool.wallets.items() if role in ("gas", "payin")}
    hot = hot_instructions(system)
    return {
        each.transaction.txid: each.outcome.contract_ret
        for block in system.devnet.chain.blocks[1 : system.devnet.chain.solid.number + 1]
        for each in block.included
        if each.transaction.owner[1:] in ours or each.transaction.txid in hot
    }


def _states(store: Store, prefix: str, initial: Any) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for recorded in store.events:
        if recorded.stream.startswith(prefix):
            states[recorded.stream] = states.get(recorded.stream, initial).evolve(recorded.event)
    return states
