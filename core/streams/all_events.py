"""Importing this module declares every event there is, so that any history can be read; and in which streams each may stand."""

from collections.abc import Iterator
from typing import Final

from core.ledger import formats
from core.ledger.events import CLASSES, DECLARATIONS, old_topics
from core.streams import (
    accepted_blocks,
    accounts,
    addresses,
    deposit_seed,
    deposits,
    evacuation,
    instructions,
    lost_outgoing,
    notices,
    payouts,
    periods,
    quarantine,
    refused_commands,
    restores,
    set_aside,
    signing,
    store,
    sweeps,
    transfers,
    treasury,
)
from core.streams.payout import approvals as payout_approvals
from core.streams.wallet import permissions as wallet_permissions
from core.streams.wallet import rotation as wallet_rotation

STREAMS: Final = {
    "account.": "account-",
    "account.payouts-": "freeze-",
    "address.": "quarantine-",
    "address.assigned": "address-",
    "adjustment.": "adjustment-",
    "block.": "accepted-block-",
    "command.": "refusal-",
    "deposit.": "deposit-",
    "evacuation.": "evacuation",
    "event.settled": "",
    "format.": "formats",
    "instruction.": "instruction-",
    "ledger-account.": "ledger-account-",
    "lost-outgoing.": "lost-",
    "payin.": "payin-",
    "payout.": "payout-",
    "period.": "period-",
    "seed.": "seed",
    "signing.": "signing",
    "store.": "store",
    "sweep.": "sweep-",
    "token.": "token-",
    "transfer.": "transfer-",
    "wallet.": "wallet-",
    "wallet.outgoing-": "outgoing-",
    "wallet.permission-": "permission-",
    "wallet.permissions-differ": "permissions-",
}
"""How a topic begins -> how the name of its stream does; the longest counts. The database holds every append to it."""


def topics_by_stream() -> Iterator[tuple[str, str, int]]:
    """(topic, how its stream's name begins, its format level) of all that this program reads, older versions included."""
    for topic in sorted({*CLASSES, *old_topics()}):
        prefix = STREAMS[max((name for name in STREAMS if topic.startswith(name)), key=len)]
        yield topic, prefix, DECLARATIONS[CLASSES[topic]].level if topic in CLASSES else 1


__all__ = [
    "STREAMS",
    "accepted_blocks",
    "accounts",
    "addresses",
    "deposit_seed",
    "deposits",
    "evacuation",
    "formats",
    "instructions",
    "lost_outgoing",
    "notices",
    "payout_approvals",
    "payouts",
    "periods",
    "quarantine",
    "refused_commands",
    "restores",
    "set_aside",
    "signing",
    "store",
    "sweeps",
    "topics_by_stream",
    "transfers",
    "treasury",
    "wallet_permissions",
    "wallet_rotation",
]
