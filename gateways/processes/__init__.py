"""One file a process: what it is, needs, may append, asks of AWS, how it scales, and its steps."""
