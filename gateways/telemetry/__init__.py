"""What those who watch can see: traces, numbers, logs. Nothing below gateways knows of it."""
