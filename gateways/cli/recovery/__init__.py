"""Copies of an installation: `counterfoil backup` makes one, `counterfoil restore` takes one up and settles what it lost."""
