"""What must be so before `counterfoil up` says that anything runs: its folder, its ports, its keys, its database, its nodes."""
