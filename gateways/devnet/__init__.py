"""A Tron node of our own: java-tron's HTTP paths on a chain that can be turned by hand.

`server.serve` runs one; in tests, `with Devnet(Config(block_ms=50)) as devnet:` and talk to devnet.url.
"""
