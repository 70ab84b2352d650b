"""Coins from cold storage: what `counterfoil cold` does beside the installation, and on the machine without network."""
