"""java-tron's HTTP paths, as the devnet serves them, and its own under /devnet."""
