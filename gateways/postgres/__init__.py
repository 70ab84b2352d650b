"""What is Postgres on every platform: the event store and its append, migrations, roles, and the tables beside it."""
