"""What becomes of a payout that was asked for (core/streams/payouts.py): its turn, approvals, work for the signers, its end."""
