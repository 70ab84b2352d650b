"""Commands for whoever audits: the history proven and exported, what changed in it, receipts, statements."""
