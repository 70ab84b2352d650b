"""What the gateway is, without any I/O: money, addresses, events, decisions, the journal and the ports.

Standard library, msgspec and pure mathematics only: nothing here reads a clock, a socket, a file or the environment.
"""
