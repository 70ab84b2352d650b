"""Importing this module declares every event there is, so that any history can be read."""

from core import (
    accounts,
    addresses,
    deposits,
    instructions,
    notices,
    payouts,
    quarantine,
    refusals,
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
    "refusals",
    "signing",
    "sweeps",
    "treasury",
]
