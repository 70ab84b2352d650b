"""A Tron node of our own: java-tron's HTTP paths on a chain that can be turned by hand.

state/ is what the chain knows, machine/ its contracts, execution/ what a transaction does and costs, chain/ blocks, forks and
the pool: all of it pure. node.py runs them, faults.py turns them hostile. http/ has java-tron's paths, all behind its door.py;
rpc/ has its gRPC methods for blocks and receipts; server.py opens both to the network, in_process.py HTTP to a client in the
same process.

`server.serve` runs one. In a test, over HTTP: `with Devnet(Config(block_ms=50)) as devnet:`, then talk to devnet.url.
Without sockets, waiting or chance: `node = Node(Config(paused=True), clock_ms)`, which moves when the test turns the clock and
calls `node.mine()`, `node.reorg(...)`, `node.faults.arm(...)`, and `TronNode("http://devnet", transport=InProcess(node))`.
"""
