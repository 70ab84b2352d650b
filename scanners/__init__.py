"""Chain -> events: blocks are read, checked and turned into facts, and facts into commands for the ledger."""
