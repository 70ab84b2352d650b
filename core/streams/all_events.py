"""Importing this module declares every event there is, so that any history can be read."""

from core.streams import (
    accepted_blocks,
    accounts,
    addresses,
    deposits,
    instructions,
    notices,
    payouts,
    periods,
    quarantine,
    refused_commands,
    set_aside,
    signing,
    sweeps,
    treasury,
)

__all__ = [
    "accepted_blocks",
    "accounts",
    "addresses",
    "deposits",
    "instructions",
    "notices",
    "payouts",
    "periods",
    "quarantine",
    "refused_commands",
    "set_aside",
    "signing",
    "sweeps",
    "treasury",
]
