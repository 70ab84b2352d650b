"""Importing this module declares every event there is, so that any history can be read."""

from core import accounts, addresses, deposits, notices, payouts, signing, treasury

__all__ = ["accounts", "addresses", "deposits", "notices", "payouts", "signing", "treasury"]
