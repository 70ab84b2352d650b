"""Fixtures of tests/support/postgres.py, for every test that asks for them."""

from tests.support.postgres import database, ledger, postgres, store, tracking

__all__ = ["database", "ledger", "postgres", "store", "tracking"]
