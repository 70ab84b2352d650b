"""The names of the queues, as the program uses them."""

from typing import Final

DEPOSIT_EVENTS: Final = "deposit-events"
PAYOUT_REQUESTS: Final = "payout-requests"
PROJECT_VIEWS: Final = "project-views"
"""What is new in the history, once for all views: each takes from it what follows its own position."""

QUEUES: Final = (DEPOSIT_EVENTS, PAYOUT_REQUESTS, PROJECT_VIEWS)
"""As the program names them; in AWS each is a FIFO queue, and has one for its dead letters."""

FORMER_QUEUES: Final = (
    "project-accounts",
    "project-balances",
    "project-deposits",
    "project-holdings",
    "project-journal",
    "project-notifications",
    "project-payins",
    "project-payouts",
    "project-sweeps",
    "project-wallets",
)
"""One a view: what relay and projector of the version before ask for. They stay until none of them may come back (I22)."""
