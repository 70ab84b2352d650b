"""What tests share.

postgres.py   fixtures `database` (a migrated database of the test's own, cloned from a template), `store`, `ledger`
history.py    canonical examples (clients, addresses, transfers, payouts) and a realistic history made of them
views.py      bring views up to the history and read them back as text
memory.py     ports in memory: queue, cursors, pool, event store
chain.py      a chain in memory and the port `Node` over it
"""
