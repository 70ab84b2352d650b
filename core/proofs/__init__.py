"""Proofs of what the history is: the Merkle tree, signed notes, checkpoints, receipts."""
