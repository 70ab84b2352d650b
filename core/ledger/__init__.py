"""The ledger: events, the entries they post, the guard that bounds balances, the seals that chain them, and the append."""
