"""What stands beside a wallet's registration: who may sign for it, and which other one replaces it."""
