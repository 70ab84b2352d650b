"""Why a payout is where it is: waiting for its turn, for coins or for signing; under way; paid, failed or refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from core.ledger.books import HOT_WALLET, LOST_HISTORY
from core.ledger.events import Recorded
from core.ledger.journal import TREASURY, ledger_account_id
from core.ledger.refusals import restore
from core.streams.accounts import Account, account_stream
from core.streams.attempts import Attempt
from core.streams.lost_outgoing import NOTHING_LOST
from core.streams.payouts import (
    Payout,
    PayoutAttemptFailed,
    PayoutBroadcast,
    PayoutCancelled,
    PayoutConfirmed,
    PayoutExpedited,
    PayoutExpired,
    PayoutFailed,
    PayoutOrder,
    PayoutPrepared,
    PayoutRefused,
    PayoutRequested,
    PayoutSigned,
    PayoutWaiting,
    WaitingFor,
    payout_stream,
)
from projections.explain.explanation import (
    Description,
    Explanation,
    NoSuchThing,
    Now,
    amount,
    chain_time,
    history_of,
    listed,
    of,
    step,
    stopped_by,
)
from projections.named import rows

_AHEAD: Final = (
    "SELECT count(*) FROM payout_requests WHERE state = 'requested' AND account_id = %s AND \"position\" < %s"
    " AND coalesce(not_before <= now(), true)"
)
_IN_FLIGHT: Final = (
    "SELECT coalesce(sum(amount_minor), 0)::bigint FROM payout_requests WHERE state IN ('pending_sign', 'broadcasted')"
    " AND currency = 'USDT' AND id <> %s"
)
_HELD: Final = "SELECT currency, amount_minor FROM balances WHERE ledger_account_id = %s"
_MINED: Final = "SELECT block_number, contract_ret FROM solid_transactions WHERE txid = %s"
_SOLID_TIME: Final = (
    "SELECT timestamp_ms FROM chain_cursors JOIN solid_blocks ON number = last_block_number WHERE id = 'solid'"
)

FAILURES: Final = {
    "not_mined": "attempt after attempt expired without being mined",
    "invalid_address": "the payee's address is none",
    "address_not_payable": "the payee is a wallet of ours, the token itself, or nobody's",
    "payee_blacklisted": "the token's issuer has blacklisted the payee, who could never spend the coins",
    "payee_is_contract": "the payee is a contract, and contracts are not paid here",
    "transfer_log_missing": "the transaction succeeded without moving a coin",
    "out_of_energy": "the transaction ran out of energy before it was done",
    "out_of_time": "the block's producer was too slow for it",
    "reverted": "the token refused the transfer",
    "failed": "the chain says no more than that the transaction failed",
}
"""What a failure code means; any other is java-tron's own result."""
WAITING: Final = {
    "coins": "the hot wallet has not enough USDT",
    "energy": "the hot wallet has neither the energy nor the TRX to pay the network",
    "token": "the token refuses the transfer now: it is paused, or the hot wallet is blacklisted",
    "not_before": "its client wants it later",
    "signing_stopped": "signing is stopped",
    "catching_up": "the signers have just started, and what the chain holds since is not read yet",
    "account_suspended": "its account is suspended",
    "account_frozen": "its account's history holds an event that nobody has looked at yet",
    "above_signer_limit": "it is above what the signer lets go without an approval, by itself or within the hour or the day",
    "not_covered": "the signer's own reading of the history does not cover it",
    "may_be_paid_already": "an equal transfer left in history that was lost, and nobody has said yet which payout it was",
}
"""What a payout waits for although it is its lane's turn."""
WITHHELD: Final[Mapping[WaitingFor, str]] = {
    "not_covered": "It is never signed: somebody appended what the API does not decide. Look at who had its login.",
    "above_signer_limit": "It goes on with an approver's signature, `counterfoil payouts approve`, or, where it is the hour or"
    " the day that lacks room, by itself.",
}
"""What the signer itself keeps from being made, and how that ends."""
_OVER: Final = "Nothing more happens to it."


class Wallet(NamedTuple):
    """The hot wallet in the books, and what of it other payouts under way may take."""

    usdt_minor: int
    trx_sun: int
    in_flight_minor: int


def explain_payout(conn: Connection[Any], payout_id: str) -> Explanation:
    """The connection must be in a transaction that sees one snapshot. Raises NoSuchThing."""
    try:
        stream = payout_stream(str(UUID(payout_id.removeprefix("payout-"))))
    except ValueError:
        raise NoSuchThing(f"{payout_id} is no payout's id") from None
    history = history_of(conn, stream)
    if not history:
        raise NoSuchThing(f"the history has no payout {payout_id}")
    payout = Payout()
    story = []
    for recorded in history:
        payout = payout.evolve(recorded.event)
        story.append(step(recorded, _described(recorded, payout)))
    assert payout.order is not None
    return Explanation(stream, payout.order.account_id, payout.state, story, _now(conn, payout, history))


# The story


def _described(recorded: Recorded, payout: Payout) -> Description:
    """What an event says, given the payout after it."""
    happened: Any = recorded.event
    order = payout.order
    assert order is not None
    coins, reserve = amount(order.amount_minor, order.currency), amount(order.total_minor, order.currency)
    match happened:
        case PayoutRefused():
            why = restore(happened.code, happened.data).detail
            data = {"code": happened.code, **happened.data}
            return Description(
                f"Asked for {coins} to {order.to_address}, and refused with {happened.code}: {why}", data
            )
        case PayoutRequested():
            return _requested(order, coins, reserve)
        case PayoutWaiting(reason=reason, since_ms=since_ms):
            return Description(
                f"It has waited since {chain_time(since_ms)}: {WAITING[reason]}.",
                {"reason": reason, "since_ms": since_ms},
            )
        case PayoutExpedited(reason=reason):
            return Description(f"An operator put it first among its account's payouts: {reason}", {"reason": reason})
        case PayoutPrepared(attempt=attempt):
            return Description(
                f"Attempt {attempt.number} was fixed as {attempt.txid}: it may be mined until"
                f" {chain_time(attempt.expiration_ms)}.",
                {"attempt": attempt.number, "txid": attempt.txid, "expiration_ms": attempt.expiration_ms},
            )
        case PayoutSigned():
            return Description("Its bytes were checked against the order and signed.", {"txid": happened.txid})
        case PayoutBroadcast():
            return Description("It was given to the network.", {"txid": happened.txid})
        case PayoutExpired(proof=proof):
            blocks = f"solid blocks {proof.first_block_number} to {proof.last_block_number}"
            return Description(
                f"The attempt can never be mined: its time is over, and {blocks} do not hold it.",
                {"txid": happened.txid, "first_block": proof.first_block_number, "last_block": proof.last_block_number},
            )
        case PayoutAttemptFailed():
            burned, why = amount(happened.burned_sun, "TRX"), FAILURES.get(happened.failure_code, happened.failure_code)
            data = {"txid": happened.txid, "failure_code": happened.failure_code, "burned_sun": happened.burned_sun}
            return Description(
                f"The attempt was mined and moved nothing: {why}; {burned} were burned, and it is tried again.", data
            )
        case PayoutConfirmed():
            return _confirmed(happened)
        case PayoutFailed():
            return _failed(happened, reserve, order.ledger_account)
        case PayoutCancelled():
            return Description(
                f"Cancelled before anything was prepared: {reserve} came back to {order.ledger_account}."
            )
    raise AssertionError(f"{type(happened).__name__} is no event of a payout")


def _requested(order: PayoutOrder, coins: str, reserve: str) -> Description:
    wanted = "" if order.not_before is None else f", not before {order.not_before:%Y-%m-%d %H:%M:%S} UTC"
    urgent = ", before the account's others" if order.priority == "high" else ""
    return Description(
        f"Asked for {coins} to {order.to_address}{wanted}{urgent}: {reserve}, fee included, were reserved of"
        f" {order.ledger_account}.",
        {"to_address": order.to_address, "amount_minor": order.amount_minor, "fee_minor": order.fee_minor},
    )


def _confirmed(happened: PayoutConfirmed) -> Description:
    burned = amount(happened.burned_sun, "TRX")
    data = {"txid": happened.txid, "block_number": happened.block_number, "burned_sun": happened.burned_sun}
    if any(line.account == LOST_HISTORY for line in happened.postings):
        return Description(
            f"Paid in history that was lost: solid block {happened.block_number} has the transfer, and an operator said that"
            " it is this payout.",
            data,
        )
    return Description(f"Paid: solid block {happened.block_number} has the transfer; {burned} were burned.", data)


def _failed(happened: PayoutFailed, reserve: str, ledger_account: str) -> Description:
    meaning = FAILURES.get(happened.failure_code, "the chain's own result")
    burned = f"; {amount(happened.burned_sun, 'TRX')} were burned" if happened.burned_sun else ""
    return Description(
        f"Failed with {happened.failure_code} ({meaning}): {reserve} came back to {ledger_account}{burned}.",
        {"failure_code": happened.failure_code, "txid": happened.txid, "burned_sun": happened.burned_sun},
    )


# What holds it now


def _now(conn: Connection[Any], payout: Payout, history: list[Recorded]) -> Now:
    order, last = payout.order, history[-1].event
    assert order is not None
    match last:
        case PayoutRefused():
            return Now(
                "refused", "It was refused, and nothing was reserved.", f"{_OVER} A new request needs a new key."
            )
        case PayoutConfirmed():
            return Now("paid", f"{amount(order.amount_minor, order.currency)} arrived at {order.to_address}.", _OVER)
        case PayoutFailed():
            sentence = "It failed, and what was reserved is the client's again."
            about = {"failure_code": last.failure_code}
            return Now("failed", sentence, f"{_OVER} The client may ask anew.", about)
        case PayoutCancelled():
            return Now("cancelled", "The client took it back.", _OVER)
    attempt = payout.attempts.alive
    if attempt is not None and payout.attempts.sent:
        return _in_flight(conn, attempt)
    return _held_back(conn, payout) or _waiting(conn, payout, history[0].position)


def _held_back(conn: Connection[Any], payout: Payout) -> Now | None:
    """What keeps a payout from being made that has nothing to do with its turn."""
    order, attempt = payout.order, payout.attempts.alive
    assert order is not None
    causes = stopped_by(conn)
    if causes:
        return Now(
            "signing_stopped",
            f"Signing is stopped: {listed(causes)}.",
            "It goes on when every cause has ended, or an operator has looked: `counterfoil signing status`.",
            {"causes": list(causes)},
        )
    if _is_suspended(conn, order.account_id):
        return Now(
            "account_suspended",
            "Its account is suspended.",
            "It goes on when the account is active again. While nothing of it was prepared, its client or the operator may"
            " cancel it.",
        )
    if attempt is not None:
        return Now(
            "being_signed",
            f"Attempt {attempt.number} is fixed and not with the network yet.",
            "It is signed and sent with the next step of the process payouts; if its time ends before, proof of that is"
            " kept and another attempt made.",
            {"attempt": attempt.number, "txid": attempt.txid},
        )
    if payout.waited_for & WITHHELD.keys():
        reason = next(reason for reason in WITHHELD if reason in payout.waited_for)
        return Now("withheld", f"The signer said that {WAITING[reason]}.", WITHHELD[reason], {"reason": reason})
    lost = NOTHING_LOST
    for recorded in history_of(conn, order.lost):
        lost = lost.evolve(recorded.event)
    if (held := lost.holds(order.payout_id)) is not None:
        return Now(
            "may_be_paid_already",
            f"{held.txid} paid {order.to_address} the same amount, in history that was lost.",
            "It waits until an operator says whether that was this payout: `counterfoil restore settle`.",
            {"txid": held.txid},
        )
    if order.not_before is not None and order.not_before > _now_of(conn):
        sentence = f"Its client wants it not before {order.not_before:%Y-%m-%d %H:%M:%S} UTC."
        return Now(
            "waiting_for_its_time", sentence, "Then it takes its turn. Its coins are reserved, and others go on."
        )
    return None


def _is_suspended(conn: Connection[Any], account_id: str) -> bool:
    account = Account()
    for recorded in history_of(conn, account_stream(account_id)):
        account = account.evolve(recorded.event)
    return account.status == "suspended"


def _in_flight(conn: Connection[Any], attempt: Attempt) -> Now:
    about: dict[str, Any] = {"txid": attempt.txid, "expiration_ms": attempt.expiration_ms}
    mined = rows(conn, _MINED, (attempt.txid,)).fetchone()
    if mined is not None:
        sentence = f"Solid block {mined.block_number} has it, as {mined.contract_ret}."
        about["block_number"] = mined.block_number
        return Now("being_settled", sentence, "The process payouts books it.", about)
    if any(read_to_ms >= attempt.expiration_ms for (read_to_ms,) in conn.execute(_SOLID_TIME)):
        return Now(
            "being_proven_dead",
            f"Attempt {attempt.number} could be mined until {chain_time(attempt.expiration_ms)}, and no solid block has it.",
            "The proof is kept as an event, and another attempt is made.",
            about,
        )
    return Now(
        "in_flight",
        f"Attempt {attempt.number} is with the network and may be mined until {chain_time(attempt.expiration_ms)}.",
        "Once it stands in a solid block it is booked. If its time ends before, proof of that comes first, and another"
        " attempt then.",
        about,
    )


def _waiting(conn: Connection[Any], payout: Payout, position: int) -> Now:
    """No attempt of it may be mined: it waits for those before it, or for coins."""
    order = payout.order
    assert order is not None
    [(ahead,)] = conn.execute(_AHEAD, (UUID(order.account_id), position)).fetchall()
    wallet = _wallet(conn, order.payout_id)
    free = wallet.usdt_minor - wallet.in_flight_minor
    about = {"ahead": ahead, "hot_wallet_minor": wallet.usdt_minor, "in_flight_minor": wallet.in_flight_minor}
    about |= {"hot_wallet_trx_sun": wallet.trx_sun}
    again = (
        "" if not payout.attempts.made else f" after {of(len(payout.attempts.made), 'attempt')} that can never be mined"
    )
    if free <= order.amount_minor:
        lacking = amount(order.amount_minor - free + 1, order.currency)
        sentence = (
            f"It waits for coins{again}: the hot wallet has {amount(wallet.usdt_minor, 'USDT')} in the books, of which"
            f" {amount(wallet.in_flight_minor, 'USDT')} are promised, so {lacking} are missing."
        )
        then = (
            "It is paid once the hot wallet has them, from sweeps or from the operator. What comes in after five minutes is"
            " set aside for it. Nothing fails for it, and no other account waits."
        )
        return Now("waiting_for_coins", sentence, then, about)
    if wallet.trx_sun <= 0:
        sentence = (
            f"It waits for TRX{again}, as it seems: the hot wallet has none in the books, and pays the network with them"
            " where it has no energy of its own."
        )
        return Now("waiting_for_trx", sentence, "It is paid in its turn once the hot wallet has some.", about)
    if ahead:
        sentence = f"It waits for its turn{again}: {of(ahead, 'payout')} of its account must be prepared first."
        then = "An account's payouts are made in the order of their requests, and accounts take turns."
        return Now("waiting_for_its_turn", sentence, then, about)
    sentence = f"It is next{again}."
    then = (
        "The process payouts prepares it with its next step. If that does not come, its log says what the chain or the"
        " wallet lacks."
    )
    return Now("next", sentence, then, about)


def _now_of(conn: Connection[Any]) -> datetime:
    [(now,)] = conn.execute("SELECT now()").fetchall()
    return now  # type: ignore[no-any-return]


def _wallet(conn: Connection[Any], payout_id: str) -> Wallet:
    balances = rows(conn, _HELD, (ledger_account_id(TREASURY, HOT_WALLET),))
    held = {row.currency: row.amount_minor for row in balances}
    [(in_flight,)] = conn.execute(_IN_FLIGHT, (UUID(payout_id),)).fetchall()
    return Wallet(held.get("USDT", 0), held.get("TRX", 0), in_flight)
