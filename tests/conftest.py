"""Fixtures of tests/support, for every test that asks for them."""

from tests.support.aws import aws_settings, aws_url
from tests.support.postgres import database, ledger, postgres, store, tracking

__all__ = ["aws_settings", "aws_url", "database", "ledger", "postgres", "store", "tracking"]
