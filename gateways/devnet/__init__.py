"""A Tron node of our own: java-tron's HTTP paths on a chain that can be turned by hand.

The chain is pure: state, accounts, transaction, shares, staking, delegation, bandwidth, energy, machine, its contracts
(tether, successor, multisend, misbehave), factor, billing, outcome, execution, committee, decrees, genesis, block, pool,
chain. It runs in block_log and node, and turns hostile in faults. Its doors are
parsing, rendering, ask, calls/, wallet, trongrid, controls, all behind door; http and server open it to the network,
in_process to a client in the same process.

`server.serve` runs one. In a test, over HTTP: `with Devnet(Config(block_ms=50)) as devnet:`, then talk to devnet.url.
Without sockets, waiting or chance: `node = Node(Config(paused=True), clock_ms)`, which moves when the test turns the clock and
calls `node.mine()`, `node.reorg(...)`, `node.faults.arm(...)`, and `TronNode("http://devnet", transport=InProcess(node))`.
"""
