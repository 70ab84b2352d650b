"""Importing this module declares every event there is, so that any history can be read."""

from core.streams import (
    accounts,
    addresses,
    deposits,
    instructions,
    notices,
    payouts,
    quarantine,
    refused_commands,
    signing,
    sweeps,
    treasury,
)

__all__ = [
    "accounts",
    "addresses",
    "deposits",
    "instructions",
    "notices",
    "payouts",
    "quarantine",
    "refused_commands",
    "signing",
    "sweeps",
    "treasury",
]
