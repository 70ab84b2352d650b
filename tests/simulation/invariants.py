"""What must be true when the dust has settled: everything is solid, every queue is empty, no payout is open.

The chain is read from the devnet's own blocks, never through the product's scanner; the books from the events alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from core.ledger import books
from core.ledger.events import postings_of
from core.ledger.guard import guard_deltas
from core.ledger.history import read
from core.ledger.journal import TREASURY, Unbalanced, check_balanced
from core.ledger.seals import BrokenSeal, verify
from core.streams.accounts import AccountReactivated, AccountSuspendedEvent
from core.streams.addresses import AddressAssigned
from core.streams.deposits import Deposit, DepositConfirmed
from core.streams.payouts import FINAL, Payout, PayoutPrepared, PayoutRequested, PayoutSigned
from core.streams.signing import SIGNING, Cause, Signing
from core.tron.address import Address
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.state import accounts
from projections.engine.segments import Segment
from tests.simulation.broken import Broken
from tests.simulation.chain import Credit, is_hidden, on_chain
from tests.simulation.durable import Store
from tests.simulation.signing import check_signing, lost_payments
from tests.simulation.system import System
from tests.simulation.treasury import check_energy, check_treasury, hot_instructions, staked_sun
from tests.support.exports import impossible_stories


def check(system: System) -> None:
    """Raises Broken with the first invariant that does not hold."""
    _history(system)
    _books(system)
    _deposits(system)
    _payouts(system)
    _suspended(system.store)
    check_treasury(system)
    _chain_balances(system)
    _progress(system)
    _auditor(system)
    check_signing(system)


def open_payouts(system: System) -> list[str]:
    """Streams of payouts that a client asked for and that are not over."""
    states = payout_states(system.store)
    return [it for it, payout in states.items() if payout.state not in FINAL and it not in system.forged]


def signing_causes(store: Store) -> tuple[Cause, ...]:
    """What holds signing back."""
    signing = Signing()
    for recorded in store.histories([SIGNING]).get(SIGNING, ()):
        signing = signing.evolve(recorded.event)
    return signing.causes


def _suspended(store: Store) -> None:
    suspended: set[str] = set()
    for recorded in store.events:
        match recorded.event:
            case AccountSuspendedEvent(account_id=account_id):
                suspended.add(account_id)
            case AccountReactivated(account_id=account_id):
                suspended.discard(account_id)
            case PayoutPrepared(account_id=account_id) | PayoutSigned(account_id=account_id):
                if account_id in suspended:
                    raise Broken(
                        "FAILURES 54", f"{recorded.stream} is made at {recorded.position} for a suspended account"
                    )


def payout_states(store: Store) -> dict[str, Payout]:
    states: dict[str, Payout] = {}
    for recorded in store.events:
        if recorded.stream.startswith("payout-"):
            states[recorded.stream] = states.get(recorded.stream, Payout()).evolve(recorded.event)
    return states


def _history(system: System) -> None:
    store = system.store
    try:
        verify(store.sealed, store.seals)
    except BrokenSeal as error:
        raise Broken("I3", str(error)) from error
    for recorded, (position, stream, version, topic, state) in zip(store.events, store.sealed, strict=True):
        if (recorded.position, recorded.stream, recorded.version) != (position, stream, version):
            raise Broken("I3", f"{recorded} stands where {stream}/{version} was sealed")
        if read(stream, topic, state) != recorded.event:
            raise Broken("I4", f"{recorded.event} reads back as {read(stream, topic, state)}")


def _books(system: System) -> None:
    store = system.store
    guard: dict[object, int] = {}
    sums: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for recorded in store.events:
        if recorded.stream in system.forged:
            continue  # the books are those of what was decided; the signer reads over it, too
        try:
            check_balanced(postings_of(recorded.event))
        except Unbalanced as error:
            raise Broken("I1", f"position {recorded.position}: {error}") from error
        for change in guard_deltas(recorded.event):
            if change.opens:
                guard[change.key] = 0
            elif change.key in guard:
                guard[change.key] += change.delta_minor
        negative = [key for key, balance in guard.items() if balance < 0]
        if negative:
            raise Broken("I5", f"position {recorded.position} makes {negative} negative")
        for line in postings_of(recorded.event):
            amount = line.amount_minor if line.side == "debit" else -line.amount_minor
            sums[line.book, line.account, line.currency] += amount
    if guard != store.guards:
        raise Broken("I4", f"the guard is {store.guards}, the replay gives {guard}")
    trial: defaultdict[tuple[str, str], int] = defaultdict(int)
    for (book, _, currency), amount in sums.items():
        trial[book, currency] += amount
    if any(trial.values()):
        raise Broken("I1", f"the trial balance is {dict(trial)}")
    claims = sum(amount for (book, code, _), amount in sums.items() if code == books.CLIENT_ASSET and book != TREASURY)
    if claims != -sums[TREASURY, books.CUSTODY_CONTROL, "USDT"]:
        raise Broken("I10", f"clients claim {claims}, custody is {-sums[TREASURY, books.CUSTODY_CONTROL, 'USDT']}")


def _auditor(system: System) -> None:
    """Who reads the history with nothing of ours finds every event's story possible, and names what somebody forged."""
    told = impossible_stories(system.store.sealed)
    forged = [it.position for it in system.store.events if it.stream in system.forged]
    if forged:  # what it asks for is not there, as its account may not be, in a history that was put back
        told = [it for it in told if books.USER_LIABILITY not in it and not it.startswith(_places(forged))]
    if told:
        raise Broken("I4", f"the auditor's verifier says: {told[0]}")


def _places(positions: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"position {position}:" for position in positions)


def _deposits(system: System) -> None:
    wallets = system.pool.wallets
    to_us = [credit for _, credit in on_chain(system) if credit[2] in wallets and credit[3] > 0]
    expected = Counter(credit for credit in to_us if not is_hidden(system, credit))
    assigned: dict[str, tuple[str, str]] = {}
    credited: Counter[Credit] = Counter()
    deposits: dict[str, Deposit] = {}
    for recorded in system.store.events:
        event = recorded.event
        if isinstance(event, AddressAssigned):
            assigned[event.address] = (event.account_id, event.ledger_account)
        if recorded.stream.startswith("deposit-"):
            deposits[recorded.stream] = deposits.get(recorded.stream, Deposit()).evolve(event)
        if isinstance(event, DepositConfirmed):
            fact = event.transfer
            evm = Address.from_base58(fact.to_address).evm
            credited[fact.txid, fact.log_index, evm, fact.amount_minor, fact.currency] += 1
            owner = assigned.get(fact.to_address) if fact.currency == "USDT" and wallets[evm] == "payin" else None
            ours = system.store.streams_of([fact.txid]).get(fact.txid, "").startswith("instruction-")
            counterpart = books.IN_TRANSIT if ours else books.SUSPENSE
            if (event.account_id, event.ledger_account) != (owner or (TREASURY, counterpart)):
                raise Broken("I12", f"{recorded.stream} is credited to {event.account_id}, the address is {owner}'s")
    if credited != expected:
        missed, surplus = expected - credited, credited - expected
        raise Broken("I6", f"missed {dict(missed)}, credited without reason or again {dict(surplus)}")
    waiting = [stream for stream, deposit in deposits.items() if deposit.status not in ("confirmed", "orphaned")]
    if waiting:
        raise Broken("FAILURES 8", f"{waiting} are shown as on their way, and no block holds them")


def _payouts(system: System) -> None:
    hot = system.hot.evm
    left = Counter(credit[0] for sender, credit in on_chain(system) if sender == hot and credit[3] > 0)
    moved: defaultdict[str, int] = defaultdict(int)
    for sender, credit in on_chain(system):
        if sender == hot:
            moved[credit[0]] += credit[3]
    states = payout_states(system.store)
    for stream, payout in states.items():
        if payout.state == "refused":
            continue
        check_energy(system, stream, payout.attempts)
        mined = [attempt.txid for attempt in payout.attempts.made if attempt.txid in left]
        if not mined and payout.txid in lost_payments(system.store):
            mined = [payout.txid]
        for txid in mined:
            del left[txid]
        wanted = 1 if payout.state == "confirmed" else 0
        if len(mined) > 1:
            raise Broken("I7", f"{stream} was paid {len(mined)} times: {mined}")
        if payout.state in FINAL and len(mined) != wanted:
            raise Broken("I7", f"{stream} is {payout.state} and was paid {len(mined)} times on chain")
        assert payout.order is not None
        if mined and moved[mined[0]] != payout.order.amount_minor:
            raise Broken("I8", f"{stream} moved {moved[mined[0]]} instead of {payout.order.amount_minor}")
        if mined and payout.txid != mined[0]:
            raise Broken("I7", f"{stream} is confirmed by {payout.txid}, the chain has {mined[0]}")
    for txid in (*lost_payments(system.store), *hot_instructions(system)):
        left.pop(txid, None)
    if left:
        raise Broken("I8", f"{dict(left)} left the hot wallet and belong to no payout")
    requested = {it.stream for it in system.store.events if isinstance(it.event, PayoutRequested)}
    still = [it for it in requested - system.forged if states[it].state not in FINAL]
    if still:
        raise Broken("liveness", f"{still} are open although nothing hinders them")


def _chain_balances(system: System) -> None:
    """Treasury wallet accounts are what the chain has, but for TRX that no two nodes show (I10)."""
    booked: defaultdict[tuple[str, str], int] = defaultdict(int)
    for recorded in system.store.events:
        for line in postings_of(recorded.event):
            if line.book == TREASURY:
                amount = line.amount_minor if line.side == "debit" else -line.amount_minor
                booked[line.account, line.currency] += amount
    real: defaultdict[tuple[str, str], int] = defaultdict(int)
    state = system.devnet.chain.solid_state()
    for evm, role in system.pool.wallets.items():
        address = Address.from_evm(evm)
        code = books.WALLET_ACCOUNTS[role]
        account = accounts.find(state, address)
        real[code, "TRX"] += account.balance_sun if account else 0
        real[code, "USDT"] += state.get(("slot", USDT, "balance", evm)) or 0
        real[books.STAKED, "TRX"] += staked_sun(account) if account else 0
    for _, credit in on_chain(system):
        if credit[2] in system.pool.wallets and is_hidden(system, credit):
            real[books.WALLET_ACCOUNTS[system.pool.wallets[credit[2]]], "TRX"] -= credit[3]
    real |= {(books.IN_TRANSIT, "USDT"): 0, (books.IN_TRANSIT, "TRX"): 0}
    for key in {*real, *((code, currency) for code, currency in booked if code in books.WALLET_ACCOUNTS.values())}:
        if booked[key] != real[key]:
            raise Broken("I10", f"{key} is booked as {booked[key]}, the chain has {real[key]}")


def _progress(system: System) -> None:
    """Cursors and bookmarks stand at the end, and nothing before them was passed over (I9)."""
    solid = system.devnet.chain.solid
    cursor = system.cursors.rows["solid"]
    if (cursor.number, cursor.block_id) != (solid.number, solid.block_id):
        raise Broken("I9", f"the solid cursor is {cursor.number}, the chain is at {solid.number}")
    told = 0
    for segment in sorted((Segment.decode(it.body) for it in system.segments.sent), key=lambda it: it.first):
        if segment.first > told + 1:
            raise Broken("I9", f"no segment tells of positions {told + 1} to {segment.first - 1}")
        told = max(told, segment.last)
    if told != system.store.head():
        raise Broken("I9", f"the segments end at {told}, the history at {system.store.head()}")
    buried = [reason for queue in (system.facts, system.work) for _, reason in queue.buried]
    if buried:
        raise Broken("I11", f"messages of our own were buried: {buried}")
    if causes := signing_causes(system.store):
        raise Broken("liveness", f"signing is stopped for {causes}, which the chain has taken back")
