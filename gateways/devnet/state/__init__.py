"""What the devnet's chain knows: accounts, shares, parameters, decrees."""
