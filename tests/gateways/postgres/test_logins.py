"""What a stolen database login tries with tables that other processes live by, and that it fails (I14, I17)."""

from typing import Final

import psycopg
import pytest

from core.ledger.ledger import Ledger
from gateways.postgres.roles import (
    API,
    CHECKPOINTER,
    LOGINS,
    OBSERVER,
    PROJECTOR,
    READER,
    RECORDER,
    RELAY,
    SIGNER,
    WEBHOOKS,
)
from gateways.queues import DEPOSIT_EVENTS, PAYOUT_REQUESTS, PROJECT_VIEWS, QUEUES
from tests.support.history import HOT_WALLET, execute, wallet
from tests.support.postgres import Database

NAMES: Final = "'relay', 'webhooks', 'alarms', 'checkpoint-archive', 'payouts', 'instructions', 'sweeps'"
_BEGUN: Final = f"""
INSERT INTO addresses (evm, base58, wallet, key_id, state) VALUES
    (decode(repeat('01', 20), 'hex'), 'TReady', 'payin', 'derived:0', 'ready'),
    (decode(repeat('02', 20), 'hex'), 'TTaken', 'payin', 'derived:1', 'taken');
INSERT INTO api_keys VALUES
    ('a', gen_random_uuid(), 'acme', 'its', '{{read}}', 'active', now(), NULL, now(), NULL),
    ('r', gen_random_uuid(), 'acme', 'gone', '{{read}}', 'revoked', now(), NULL, NULL, NULL);
INSERT INTO idempotency_keys VALUES ('acme', 's', 'k', '{{}}', 'x', 'done', now(), now());
INSERT INTO webhook_events
    VALUES ('acme', gen_random_uuid(), 't', 's', 1, 'x', 'pending', 0, now(), NULL, NULL, now(), now());
INSERT INTO audit_logs (account_id, "timestamp", action, actor_id, actor_type, data, ttl)
    VALUES ('acme', now(), 'a', 'b', 'c', '{{}}', now());
INSERT INTO bookmarks (name, "position") SELECT unnest(ARRAY[{NAMES}]), 0;
INSERT INTO bookmarks (name, "position") VALUES ('solid-log:payouts', 7);
INSERT INTO chain_cursors (id, last_block_number, last_block_id)
    VALUES ('genesis', 0, 'g'), ('solid', 8, 's'), ('head', 9, 'h');
INSERT INTO solid_blocks SELECT n, repeat('a', 64), repeat('b', 64), n FROM generate_series(1, 8) AS n;
INSERT INTO rebuilds (view, state, wish, hold, requested_by) VALUES ('balances', 'building', 'go', false, 'x');
INSERT INTO outstanding_reports (message_key, group_id, body, due_at) VALUES ('k', 'g', 'b', 1);
INSERT INTO queue_messages (queue, group_id, message_key, body, receipt, visible_at)
    SELECT name, 'g', 'k', 'b', gen_random_uuid(), now() FROM unnest(ARRAY{list(QUEUES)}) AS name;
INSERT INTO queue_keys (queue, message_key) SELECT name, 'k' FROM unnest(ARRAY{list(QUEUES)}) AS name;
INSERT INTO queue_dead_letters (id, queue, group_id, body, reason, attempts)
    SELECT 1000000 + n, name, 'g', 'b', 'r', 1 FROM unnest(ARRAY{list(QUEUES)}) WITH ORDINALITY AS each (name, n);
"""
"""One row of each kind, behind a history of one event."""


@pytest.fixture
def begun(database: Database, ledger: Ledger) -> Database:
    """A database that has something to attack."""
    execute(ledger, wallet("hot", HOT_WALLET))
    with psycopg.connect(database.owner_url) as conn:
        conn.execute(_BEGUN)  # type: ignore[arg-type]
    return database


def does(database: Database, role: str, statement: str) -> bool:
    """Whether the role's login has any effect, or sees any row, with this statement; nothing of it is kept."""
    with psycopg.connect(database.role_urls[role]) as conn:
        try:
            done = conn.execute(statement).rowcount  # type: ignore[arg-type]
            conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError):
            return False
        finally:
            conn.rollback()
    return done != 0


_MAKE_KEY: Final = (
    "INSERT INTO api_keys VALUES ('x', gen_random_uuid(), 'acme', 'n', '{operator}', 'active', now(), NULL, NULL, NULL)"
)
_FALSE_DEPOSIT: Final = "UPDATE webhook_events SET payload = 'a deposit'"
_SEAL: Final = (
    "INSERT INTO seals (batch_id, first_position, last_position, previous_hash, hash)"
    " SELECT gen_random_uuid(), last_position + 1, {}, {}, {} FROM seals"
)
_RENAMED: Final = (
    "INSERT INTO events VALUES ('account-x', 1, 'account.renamed/1',"
    ' \'{"occurred_at":"2026-01-01T00:00:00Z","actor":"x"}\', 2);'
)

ATTACKS: Final = (
    # What the projector was once given, and has no use for.
    (PROJECTOR, _MAKE_KEY),
    (PROJECTOR, "UPDATE api_keys SET permissions = '{operator}'"),
    (PROJECTOR, "DELETE FROM api_keys"),
    (PROJECTOR, "SELECT FROM api_keys"),
    (PROJECTOR, "DELETE FROM idempotency_keys"),
    (PROJECTOR, "UPDATE idempotency_keys SET response = 'y'"),
    (PROJECTOR, _FALSE_DEPOSIT),
    (PROJECTOR, "DELETE FROM webhook_events"),
    (PROJECTOR, "SELECT FROM audit_logs"),
    (PROJECTOR, "UPDATE bookmarks SET \"position\" = 1 WHERE name = 'payouts'"),
    (PROJECTOR, "INSERT INTO bookmarks VALUES ('solid-log:mine', 0)"),
    # A key is made and revoked, and nothing else of it changes.
    *(
        (API, f"UPDATE api_keys SET {column} = {column}")
        for column in ("permissions", "account_id", "expires_at", "id")
    ),
    (API, "UPDATE api_keys SET status = 'active' WHERE status = 'revoked'"),
    (API, "DELETE FROM api_keys"),
    # A taken address is never ready again, and no address changes its key.
    *((role, "UPDATE addresses SET state = 'ready' WHERE state = 'taken'") for role in (API, SIGNER)),
    *((role, "UPDATE addresses SET key_id = 'derived:9'") for role in (API, SIGNER)),
    *((role, "DELETE FROM addresses") for role in (API, SIGNER)),
    # What a client is told is what was put there; the API only asks for it to be sent again.
    *((role, _FALSE_DEPOSIT) for role in (API, WEBHOOKS)),
    (API, "UPDATE webhook_events SET status = 'delivered'"),
    (WEBHOOKS, "UPDATE webhook_events SET account_id = 'other'"),
    # Bookmarks: another's, and one's own beyond what there is.
    *(
        (role, "UPDATE bookmarks SET \"position\" = 1 WHERE name = 'payouts'")
        for role in (RELAY, WEBHOOKS, CHECKPOINTER)
    ),
    *(
        (role, "UPDATE bookmarks SET \"position\" = 1 WHERE name = 'relay'")
        for role in (SIGNER, WEBHOOKS, CHECKPOINTER)
    ),
    *((role, "UPDATE bookmarks SET \"position\" = 0 WHERE name = 'solid-log:payouts'") for role in (RELAY, WEBHOOKS)),
    *((role, "INSERT INTO bookmarks VALUES ('solid-log:mine', 0)") for role in (RELAY, WEBHOOKS, CHECKPOINTER)),
    (RELAY, "UPDATE bookmarks SET \"position\" = 2 WHERE name = 'relay'"),
    (SIGNER, "UPDATE bookmarks SET \"position\" = 2 WHERE name = 'payouts'"),
    (WEBHOOKS, "UPDATE bookmarks SET \"position\" = 2 WHERE name = 'webhooks'"),
    (WEBHOOKS, "UPDATE bookmarks SET \"position\" = 1 WHERE name = 'alarms'"),
    (CHECKPOINTER, "UPDATE bookmarks SET \"position\" = 1 WHERE name = 'checkpoint-archive'"),
    (RELAY, "SELECT FROM bookmarks WHERE name = 'payouts' FOR UPDATE"),
    # Cursors of the scanner.
    *(
        (SIGNER, f"UPDATE chain_cursors SET last_block_number = 8 WHERE id = '{id_}'")
        for id_ in ("solid", "head", "genesis")
    ),
    (SIGNER, "INSERT INTO chain_cursors VALUES ('one_node', 1, 'x')"),
    (OBSERVER, "UPDATE chain_cursors SET last_block_id = 'x' WHERE id = 'genesis'"),
    (OBSERVER, "UPDATE chain_cursors SET last_block_number = 9 WHERE id = 'solid'"),
    # The log of solid blocks stays as long as somebody needs it.
    (OBSERVER, "DELETE FROM solid_blocks WHERE number >= 7"),
    (OBSERVER, "UPDATE solid_blocks SET timestamp_ms = 99"),
    # A seal of nothing, of nobody's events, of a wrong hash: any of them would stop every append for good.
    *((role, _SEAL.format("last_position + 9", "hash", "hash")) for role in (API, RECORDER, SIGNER, WEBHOOKS)),
    (API, _RENAMED + _SEAL.format("last_position + 1", "sha256('')", "hash")),
    (API, _RENAMED + _SEAL.format("last_position + 1", "hash", "sha256('')")),
    (API, "INSERT INTO seals SELECT gen_random_uuid(), 2, 2, hash, hash, now() FROM seals"),
    # Who only writes rows holds no table.
    *((role, "LOCK TABLE guard IN SHARE MODE") for role in (API, RECORDER, SIGNER)),
    *((role, "LOCK TABLE addresses IN SHARE MODE") for role in (API, SIGNER)),
    *((role, "LOCK TABLE bookmarks IN SHARE MODE") for role in (RELAY, WEBHOOKS, SIGNER, CHECKPOINTER)),
    *((role, "LOCK TABLE chain_cursors IN SHARE MODE") for role in (OBSERVER, SIGNER)),
    # A half-built view is never called whole.
    (API, "UPDATE rebuilds SET state = 'verified'"),
    (API, 'UPDATE rebuilds SET "position" = 99'),
    (RECORDER, "SELECT FROM audit_logs"),
    (READER, "SELECT FROM api_keys"),
    (READER, "SELECT FROM queue_messages"),
)


@pytest.mark.parametrize("role", LOGINS)
def test_a_login_has_no_effect_on_what_is_another_process(begun: Database, role: str) -> None:
    """Each statement is refused, or finds no row."""
    tried = [statement for attacker, statement in ATTACKS if attacker == role]
    assert [statement for statement in tried if does(begun, role, statement)] == []


PUTS: Final = {OBSERVER: {DEPOSIT_EVENTS}, RELAY: {PAYOUT_REQUESTS, PROJECT_VIEWS}}
TAKES: Final = {RECORDER: {DEPOSIT_EVENTS}, SIGNER: {PAYOUT_REQUESTS}, PROJECTOR: {PROJECT_VIEWS}}

QUEUE_VERBS: Final = {
    "puts": "INSERT INTO queue_messages (queue, group_id, message_key, body) VALUES ('{0}', 'g', 'n', 'b')",
    "remembers": "INSERT INTO queue_keys (queue, message_key) VALUES ('{0}', 'n')",
    "forgets": "DELETE FROM queue_keys WHERE queue = '{0}'",
    "takes": "UPDATE queue_messages SET receipt = gen_random_uuid() WHERE queue = '{0}'",
    "reads": "SELECT body FROM queue_messages WHERE queue = '{0}'",
    "removes": "DELETE FROM queue_messages WHERE queue = '{0}'",
    "buries": "INSERT INTO queue_dead_letters (id, queue, group_id, body, reason, attempts) SELECT 1, '{0}', 'g', 'b', 'r', 1",
    "digs up": "DELETE FROM queue_dead_letters WHERE queue = '{0}'",
    "sends again": "INSERT INTO queue_messages (queue, group_id, message_key, body) VALUES ('{0}', 'g', 'redrive:1', 'b')",
    "forges": "UPDATE queue_messages SET body = 'x' WHERE queue = '{0}'",
}
PUTTING: Final = {"puts", "remembers", "forgets", "sends again"}
TAKING: Final = {"takes", "reads", "removes", "buries", "digs up", "sends again"}


@pytest.mark.parametrize("role", LOGINS)
def test_messages_are_put_and_taken_by_those_who_put_and_take(begun: Database, role: str) -> None:
    """At every queue, a login does what its process does there, and nothing else."""
    for queue in QUEUES:
        may = PUTTING if queue in PUTS.get(role, ()) else TAKING if queue in TAKES.get(role, ()) else set()
        assert {verb for verb, sql in QUEUE_VERBS.items() if does(begun, role, sql.format(queue))} == may, queue
