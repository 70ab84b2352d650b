"""What a message on payout-requests says."""

import msgspec


class PayoutWork(msgspec.Struct, frozen=True):
    """The body of a message on payout-requests, as JSON: a hint to look, never an order to pay (I14)."""

    payout_id: str
    account_id: str
