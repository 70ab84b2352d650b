"""The edge: connections, limits, keys, idempotency, and what every answer carries."""
