"""The devnet's chain: blocks, forks, the pool of pending transactions, genesis."""
