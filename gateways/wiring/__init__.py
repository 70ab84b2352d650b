"""Which adapter stands behind which port, by mode, and what wraps the ports of a process."""
