"""The node's contract and one journey against a real Tron node: `make live`. No part of `make test`, which plays it on a devnet."""
