"""The node's contract and one journey against a real Tron node: `make live`. `make test` plays them on a devnet."""
