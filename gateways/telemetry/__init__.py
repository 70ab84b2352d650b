"""What is told to those who watch: traces, numbers, logs. Nothing below gateways knows of it."""
