"""What must be true of what was signed, by whichever copy of the history: once, within the limits, and to whom."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from core.streams.attempts import Attempt
from core.streams.evacuation import EvacuationBegun
from core.streams.instructions import InstructionGiven, InstructionPrepared, SendToken
from core.streams.lost_outgoing import OutgoingOfLostHistory
from core.streams.notices import OutgoingUnexplained
from core.streams.payout.approvals import PayoutApproved
from core.streams.payouts import PayoutPrepared, PayoutRequested, PayoutSigned
from core.streams.signing import SigningResumed, SigningStopped
from core.tron.address import Address
from tests.simulation.broken import Broken
from tests.simulation.durable import Store
from tests.simulation.system import System

HOUR: Final = timedelta(hours=1)


class Signed(NamedTuple):
    """A payout was signed for the first time by one history."""

    stream: str
    at: datetime
    amount_minor: int


def check_signing(system: System) -> None:
    """Raises Broken."""
    _paid_once(system)
    _explained(system)
    _limits(system)
    _addresses(system)
    for store in _histories(system):
        _evacuations(system, store)
    mark = system.safe.high_water.mark
    if mark is None or system.store.seal_at(mark.position) != mark.seal:
        raise Broken("I16", f"the mark {mark} is not of the history that goes on")


def lost_payments(store: Store) -> Collection[str]:
    """The txids of what was found to have left in lost history."""
    return {it.event.left.txid for it in store.events if isinstance(it.event, OutgoingOfLostHistory)}


def _histories(system: System) -> Iterator[Store]:
    yield system.store
    for database in system.lost:
        yield database.store


def _paid_once(system: System) -> None:
    """Whatever was copied, and ran beside another: no payout is on the chain twice (I7), none that was forged at all (I17)."""
    chain = system.devnet.chain
    attempts: dict[str, dict[str, Attempt]] = {}
    for store in _histories(system):
        for recorded in store.events:
            if isinstance(recorded.event, PayoutPrepared):
                made = recorded.event.attempt
                attempts.setdefault(recorded.stream, {})[made.txid] = made
    for stream, of_it in attempts.items():
        mined = []
        for txid in of_it:
            found = chain.find(txid)
            if found is not None and found[1].outcome.contract_ret == "SUCCESS":
                mined.append(txid)
        if len(mined) > 1:
            raise Broken("I7", f"{stream} was paid {len(mined)} times by several copies of the history: {mined}")
        if mined and stream in system.forged:
            raise Broken("I17", f"{stream} was paid, which no client asked for")


def _explained(system: System) -> None:
    """Where no copy ever ran, whatever left was recorded before it was sent: nothing rings as somebody else's (I8)."""
    for recorded in () if system.lost else system.store.events:
        if isinstance(recorded.event, OutgoingUnexplained):
            raise Broken("I8", f"{recorded.stream} is our own, and nothing here knows of it")


def _limits(system: System) -> None:
    """Of what no approver let go: each payout, and all of an hour, is within what the signer has for a limit (I17)."""
    limits, signed = system.limits, set[Signed]()
    if limits.payout_max is None or limits.hour_max is None or system.reverted:
        return
    for store in _histories(system):
        signed.update(_unapproved(store))
    for each in signed:
        if each.amount_minor > limits.payout_max:
            raise Broken("I17", f"{each} is above the signer's limit, and nobody approved it")
        within = [it.amount_minor for it in signed if each.at <= it.at < each.at + HOUR]
        if sum(within) > limits.hour_max:
            raise Broken(
                "I17", f"{sum(within)} minor units were signed in the hour from {each.at}: {len(within)} payouts"
            )


def _unapproved(store: Store) -> Iterator[Signed]:
    amounts: dict[str, int] = {}
    approved: set[str] = set()
    for recorded in store.events:
        match recorded.event:
            case PayoutRequested(order=order):
                amounts[recorded.stream] = order.amount_minor
            case PayoutApproved():
                approved.add(recorded.stream)
            case PayoutSigned() if recorded.stream in amounts:
                amount_minor = amounts.pop(recorded.stream)  # it counts once
                if recorded.stream not in approved:
                    yield Signed(recorded.stream, recorded.event.occurred_at, amount_minor)


def _addresses(system: System) -> None:
    """None is given out twice, and all that ever were are ours still (I16, I6)."""
    twice = {it for it in system.given if system.given.count(it) > 1}
    if twice and not system.reverted:
        raise Broken("I16", f"{twice} were given out twice")
    unknown = [it for it in system.given if Address.from_base58(it).evm not in system.pool.wallets]
    if unknown:
        raise Broken("I6", f"{unknown} were given out, and nobody looks at what comes to them")


def _evacuations(system: System, store: Store) -> None:
    """While everything goes to cold storage, nothing else is begun."""
    cold: str | None = None
    acts = {it.stream: it.event.instruction.act for it in store.events if isinstance(it.event, InstructionGiven)}
    for recorded in store.events:
        match recorded.event:
            case EvacuationBegun(cold_address=address):
                cold = address
            case SigningResumed(causes=causes) if "evacuation" in causes:
                cold = None
            case PayoutPrepared() | PayoutSigned() if cold is not None:
                raise Broken("evacuation", f"{recorded.stream} goes on at {recorded.position} while all is evacuated")
            case InstructionPrepared() if cold is not None:
                act = acts[recorded.stream]
                if isinstance(act, SendToken) and act.to != cold:
                    raise Broken("evacuation", f"{recorded.stream} sends coins to {act.to} while all is evacuated")
            case SigningStopped():
                pass
