"""A Tron node of our own: java-tron's HTTP paths on a chain that can be turned by hand.

The chain is pure: state, accounts, transaction, bandwidth, energy, machine, tether, multisend, execution, genesis, block,
pool, chain. It runs in block_log, node, server. Its doors are parsing, rendering, ask, calls/, wallet, trongrid, controls,
http. `server.serve` runs one; in a test: `with Devnet(Config(block_ms=50)) as devnet:`, then talk to devnet.url.
"""
