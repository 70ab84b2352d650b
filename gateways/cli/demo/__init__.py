"""`counterfoil demo`: the story, its second half, and the world that both play on."""
