"""Importing this module declares every event there is, so that any history can be read."""

from core.streams import (
    accounts,
    addresses,
    deposits,
    instructions,
    notices,
    payouts,
    quarantine,
    signing,
    sweeps,
    treasury,
)
from core.streams import refused_commands as refusals

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
