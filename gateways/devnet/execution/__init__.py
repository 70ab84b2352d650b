"""What a transaction does on the devnet, and what it costs: energy, bandwidth, stake, delegation."""
