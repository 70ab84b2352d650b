"""Why a deposit is where it is: seen at the head, waiting for its block to be solid, out of the chain, or credited."""

from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from core.ledger.books import SUSPENSE
from core.ledger.events import Recorded
from core.ledger.journal import TREASURY
from core.streams.deposits import (
    Deposit,
    DepositConfirmed,
    DepositDetected,
    DepositOrphaned,
    TransferFact,
    deposit_stream,
)
from core.streams.quarantine import Quarantine, quarantine_stream
from projections.explain.explanation import (
    Chain,
    Description,
    Explanation,
    NoSuchThing,
    Now,
    Step,
    amount,
    chain_of,
    history_of,
    of,
    step,
)
from projections.named import rows

_BY_ID: Final = "SELECT tx_hash, log_index FROM observed_transactions WHERE id = %s"
_BY_TXID: Final = (
    "SELECT originator_id FROM events WHERE originator_id = ANY(%s) AND originator_version = 1 ORDER BY notification_id"
)
_SWEEP: Final = (
    "SELECT id, number, state, reason FROM sweeps"
    ' WHERE address = %s AND currency = %s AND "position" > %s ORDER BY "position" LIMIT 1'
)
LOGS_MAX: Final = 200
"""A transaction id alone finds transfers among so many of its logs, and of its internal transactions; beyond, the index must
be given."""


def deposits_named(conn: Connection[Any], name: str) -> list[str]:
    """The streams of what the name may be: a deposit's id, its stream, or a transaction id. Raises NoSuchThing."""
    if name.startswith("deposit-"):
        return [name]
    if len(name) == 64:
        streams = [deposit_stream(name.lower(), index) for index in (None, *range(-LOGS_MAX, LOGS_MAX))]
        found = [stream for (stream,) in conn.execute(_BY_TXID, (streams,))]
    else:
        try:
            deposits = rows(conn, _BY_ID, (UUID(name),)).fetchall()
        except ValueError:
            deposits = []
        found = [deposit_stream(row.tx_hash, row.log_index) for row in deposits]
    if not found:
        raise NoSuchThing(
            f"no deposit {name} is known: give its id, its transaction id, or deposit-<transaction id>-<log index>;"
            " a transfer that was never seen has no event"
        )
    return found


def explain_deposit(conn: Connection[Any], stream: str) -> Explanation:
    """The connection must be in a transaction that sees one snapshot. Raises NoSuchThing."""
    history = history_of(conn, stream)
    if not history:
        raise NoSuchThing(f"the history has no {stream}")
    state, story = Deposit(), []
    for recorded in history:
        story.append(_step(recorded, state))
        state = state.evolve(recorded.event)
    last: Any = history[-1].event
    if isinstance(last, DepositConfirmed):
        now = _credited(conn, last, history[0].position)
    elif isinstance(last, DepositOrphaned):
        now = _orphaned(last.transfer)
    else:
        now = _detected(last.transfer, chain_of(conn))
    return Explanation(stream, last.account_id, state.status, story, now)


# The story


def _step(recorded: Recorded, before: Deposit) -> Step:
    happened: Any = recorded.event
    fact: TransferFact = happened.transfer
    data = {"block_number": fact.block_number, "block_id": fact.block_id}
    coins = amount(fact.amount_minor, fact.currency)
    match happened:
        case DepositDetected() if before.status == "orphaned":
            sentence = f"Seen again: the transaction stands in block {fact.block_number} now, and waits like a new one."
        case DepositDetected() if fact.waits_for:
            sentence = (
                f"Block {fact.block_number} is solid, and one node alone shows the transfer: it waits for another."
            )
            data |= {"waits_for": fact.waits_for}
        case DepositDetected() if before.status == "detected":
            earlier = before.transfer.block_number if before.transfer else fact.block_number
            sentence = (
                f"Seen in another block {fact.block_number}: the chain has replaced the block {earlier} it was seen in."
            )
        case DepositDetected():
            sentence = (
                f"Seen at the head of the chain in block {fact.block_number}: {coins} from {fact.from_address} to"
                f" {fact.to_address}. Shown as pending; nothing can be spent of it."
            )
        case DepositOrphaned():
            sentence = (
                f"Its block {fact.block_number} left the chain, and the transaction is in no other: no longer pending."
            )
        case _:
            found = "" if before.status == "detected" else "Found there without having been seen before: "
            to = "the treasury's" if happened.account_id == TREASURY else "its"
            by = ", handed on by a contract," if fact.is_internal else ""
            sentence = (
                f"{found}block {fact.block_number} is solid: {coins}{by} were booked to {to} {happened.ledger_account}."
            )
            sentence = sentence[0].upper() + sentence[1:]
            data |= {"account_id": happened.account_id, "ledger_account": happened.ledger_account}
    first = before.status == "absent"
    data |= {"from": fact.from_address, "to": fact.to_address, "amount_minor": fact.amount_minor} if first else {}
    return step(recorded, Description(sentence, data))


# What holds it now


def _detected(fact: TransferFact, chain: Chain) -> Now:
    """Nothing but the solidity of its block is missing."""
    if fact.waits_for:
        return _waits(fact)
    block = fact.block_number
    about = {"block_number": block, "head_block": chain.head, "solid_block": chain.solid}
    then = f"Once block {block} is solid, and still has the transfer, it is booked. If the block leaves the chain, it is not."
    if chain.solid is None:
        return Now("nothing_solid_read", "No solid block was read yet: the observer has only begun.", then, about)
    if block > chain.solid:
        missing = block - chain.solid
        seen = "" if chain.head is None or chain.head < block else f" {of(chain.head - block + 1, 'block')} confirm it;"
        sentence = (
            f"Confirmations are missing:{seen} the last solid block is {chain.solid}, and {of(missing, 'more block')}"
            f" must become solid (19 of 27 producers build on a block to make it so)."
        )
        return Now("confirmations_missing", sentence, then, {**about, "blocks_missing": missing})
    sentence = f"Block {block} is solid, and what was found there is on its way to the recorder."
    then = (
        "The recorder books it, or says that it left the chain. What was not recorded is sent again two minutes later;"
        " `counterfoil queue list` shows whether deposit-events waits."
    )
    return Now("being_recorded", sentence, then, about)


def _waits(fact: TransferFact) -> Now:
    """`one_node`: the block proves what its transactions are, and another contract's transfer is none of them."""
    return Now(
        fact.waits_for,
        f"Another contract made this transfer, so block {fact.block_number} does not prove it: only the receipt of the one"
        " node that is configured shows it.",
        "A second node in COUNTERFOIL_TRON_NODE_URL, or COUNTERFOIL_TRON_NODE_TRUSTED=true where the node is the operator's"
        " own, lets it be booked: it is then read again by itself.",
        {"block_number": fact.block_number, "waits_for": fact.waits_for},
    )


def _orphaned(fact: TransferFact) -> Now:
    return Now(
        "left_the_chain",
        f"Block {fact.block_number} was replaced, and the transaction stands in no block: no coins came.",
        "If the sender's transaction comes into another block, it is seen again. Otherwise nothing more happens.",
        {"block_number": fact.block_number, "block_id": fact.block_id},
    )


def _credited(conn: Connection[Any], happened: DepositConfirmed, since: int) -> Now:
    fact = happened.transfer
    coins = amount(fact.amount_minor, fact.currency)
    if happened.account_id == TREASURY:
        about: dict[str, Any] = {"ledger_account": happened.ledger_account}
        if happened.ledger_account == SUSPENSE:
            sentence = (
                f"Nobody knows yet whose {coins} these are: they came to the {fact.wallet} wallet, and no client's."
            )
            return Now("unexplained", sentence, "An operator explains them with an adjustment out of Suspense.", about)
        sentence = f"{coins} moved between wallets of ours and were booked out of {happened.ledger_account}."
        return Now("own_coins", sentence, "Nothing more happens to it.", about)
    sentence = f"{coins} are {happened.ledger_account}'s of account {happened.account_id}."
    return _with_coins(conn, fact, sentence, since)


def _with_coins(conn: Connection[Any], fact: TransferFact, sentence: str, since: int) -> Now:
    """For the client it is over; the coins themselves lie on its address until they are swept."""
    over = "For the client it is over."
    quarantine = Quarantine()
    for recorded in history_of(conn, quarantine_stream(fact.to_address)):
        quarantine = quarantine.evolve(recorded.event)
    held = quarantine.held
    sweep = rows(conn, _SWEEP, (fact.to_address, fact.currency, since)).fetchone()
    if held is not None:
        words = f"{sentence} Its address is set aside ({held.reason}: {held.detail}), so what lies there is not swept."
        about = {"address": fact.to_address, "quarantine": held.reason, "detail": held.detail}
        return Now("credited_address_quarantined", words, f"{over} An operator has to release the address.", about)
    if sweep is None:
        return Now("credited", sentence, f"{over} Its coins lie on {fact.to_address} until a sweep is worth it.", {})
    why = f" ({sweep.reason})" if sweep.reason else ""
    return Now(
        "credited",
        f"{sentence} Sweep {sweep.number} of its address is {sweep.state}{why}.",
        over if sweep.state == "confirmed" else f"{over} Its coins follow when the address is swept.",
        {"sweep_id": str(sweep.id), "sweep_state": sweep.state},
    )
