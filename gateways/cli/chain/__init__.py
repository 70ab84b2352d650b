"""What the chain is and who shows it: blocks read again, the nodes one by one."""
