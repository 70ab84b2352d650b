"""The names of the queues, as the program uses them."""

from typing import Final

from projections.views import VIEWS

DEPOSIT_EVENTS: Final = "deposit-events"
PAYOUT_REQUESTS: Final = "payout-requests"
PROJECT: Final = "project-"

PROJECT_QUEUES: Final = tuple(PROJECT + view for view in VIEWS)
"""One for each view."""
QUEUES: Final = (DEPOSIT_EVENTS, PAYOUT_REQUESTS, *PROJECT_QUEUES)
"""As the program names them; in AWS each is a FIFO queue, and has one for its dead letters."""
