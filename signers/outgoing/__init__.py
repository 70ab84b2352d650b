"""Transactions on their way: prepared, signed, broadcast, seen through or proven dead."""
