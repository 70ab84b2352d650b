"""Deposit addresses emptied: whether it is worth it, which begin now, and their course."""
