"""A history that was taken from a copy: a payout asked for again, one that nobody asks for, a sweep; all of it settled."""

from core.ledger.ledger import Command, Ledger
from core.streams.lost_ends import AttributeLost, ConfirmLostPayout, WriteOffLost
from core.streams.lost_outgoing import LeftInLostHistory
from core.streams.notices import Notice, RecordNotice
from core.streams.restores import RecordBackup, RestoreStore
from core.streams.signing import ResumeSigning, Settlement
from tests.support.history import (
    ACTOR,
    ALICE,
    ALICE_ADDRESS,
    HOT_WALLET,
    PAYEE,
    USDT,
    append_history,
    execute,
    order,
    request_payout,
    txid,
)

REPEATED = order(ALICE, "asked for again", 4 * USDT, 100_000)
PAID = LeftInLostHistory(txid("l1"), "hot", HOT_WALLET.base58, 181, 1, 345, PAYEE.base58, "", 4 * USDT, "USDT")
UNKNOWN = LeftInLostHistory(txid("l2"), "hot", HOT_WALLET.base58, 182, 2, 345, PAYEE.base58, "", 9 * USDT, "USDT")
SWEPT = LeftInLostHistory(txid("l3"), "payin", ALICE_ADDRESS.base58, 183, 3, 345, HOT_WALLET.base58, "hot", 1, "USDT")
SETTLED = Settlement(lost=(PAID.stream, UNKNOWN.stream), waits_for="")


def lost(left: LeftInLostHistory) -> RecordNotice:
    """What the recorder hears of it."""
    told = Notice("outgoing", left.txid, None, left.block_number, "cd" * 32, 1, left.address, left.wallet)
    return RecordNotice(told, None, ACTOR, left)


def restored_batches() -> list[list[Command]]:
    """Behind the canonical history; each batch is one append."""
    return [
        [RecordBackup(60, "ab" * 32, "/mnt/backups", ACTOR), RestoreStore(60, None, 180, 0, "a disk failed", ACTOR)],
        [*map(lost, (PAID, UNKNOWN, SWEPT)), request_payout(REPEATED)],
        [AttributeLost(PAID.stream, PAID.txid, REPEATED.payout_id, ACTOR)],
        [
            ConfirmLostPayout(REPEATED, ACTOR, txid=PAID.txid),
            WriteOffLost(UNKNOWN.stream, UNKNOWN.txid, "no client asked for it again", ACTOR),
            ResumeSigning(("restored",), "all is settled", ACTOR, SETTLED),
        ],
    ]


def append_restored(ledger: Ledger) -> int:
    """The canonical history, a restore and its settling; -> the last position."""
    append_history(ledger)
    return max(execute(ledger, *batch) for batch in restored_batches())
