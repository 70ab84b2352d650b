"""The devnet's contracts: the token, a multi-sender, and what they cost in energy."""
