"""What must exist in AWS is what the program uses: names, and who may use what."""

import re

import pytest

from gateways import queues
from gateways.aws import names
from gateways.postgres.roles import LOGINS, READER
from gateways.processes.registry import PROCESSES

pytestmark = pytest.mark.fast


def test_the_tables_have_the_keys_and_indexes_that_were_asked_for() -> None:
    """Five tables, their keys, their global indexes, and the attribute by which items expire."""
    shape = {
        table.name: (table.hash_key, table.range_key, [(i.hash_key, i.range_key) for i in table.indexes], table.ttl)
        for table in names.TABLES
    }
    assert shape == {
        "api_keys": ("api_key_hash", None, [("account_id", None)], "ttl"),
        "idempotency_keys": ("key", None, [("account_id", None)], "ttl"),
        "webhook_events": ("account_id", "event_id", [("status", "next_retry_at")], "ttl"),
        "audit_logs": ("account_id", "timestamp", [], "ttl"),
        "signer_state": ("name", None, [], "ttl"),
    }


def test_every_queue_is_fifo_and_has_dead_letters() -> None:
    """deposit-events, payout-requests, and one for each projector."""
    assert names.queue_name("", "deposit-events") == "deposit-events.fifo"
    assert names.dead_queue_name("two-", "deposit-events") == "two-deposit-events-dead.fifo"
    made = [
        name(31 * "p" + "-", queue) for queue in queues.QUEUES for name in (names.queue_name, names.dead_queue_name)
    ]
    assert len(set(made)) == 2 * len(queues.QUEUES)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,75}\.fifo", name) for name in made)  # 80 characters at most


def test_every_process_has_its_access_and_no_other() -> None:
    """Each process may use its own role's login, and nothing that is not there."""
    for process in PROCESSES.values():
        access = process.access
        assert process.role in access.logins
        assert READER in access.logins or not process.follows_events
        assert set(access.logins) <= set(LOGINS)
        assert set(access.secrets) <= set(names.SECRETS)
        assert set(access.sends + access.receives) <= set(queues.QUEUES)


def test_keys_are_the_signers_alone() -> None:
    """Only processes that log in as the signer may sign, or unwrap the seed (I8)."""
    signers = {name for name, process in PROCESSES.items() if "KEYSTORE" in process.needs}
    for name, process in PROCESSES.items():
        access = process.access
        if name not in signers:
            assert (access.signs, access.unwraps, access.payin_keys) == ((), (), "")
            assert names.FOR_SEED not in access.secrets
    assert PROCESSES["api"].access.signs == ()


def test_what_signers_know_by_themselves_is_theirs_alone() -> None:
    """No process without keys reads or writes the table signer_state (I16, I17)."""
    for name, process in PROCESSES.items():
        assert (names.SIGNER_STATE in process.access.tables) == ("KEYSTORE" in process.needs), name
