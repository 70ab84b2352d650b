"""Copies of the database: which tables are copied out, in one snapshot, and how they are loaded again."""
