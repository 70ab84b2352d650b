"""Tron as data: addresses, blocks, transactions, resources, stake; nothing here asks a node."""
