"""The questions of /metrics to the database: each a query whose columns are gauges and their labels."""

from typing import Final, NamedTuple, get_args

from core.ledger import books
from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.streams.payouts import WaitingFor


class Question(NamedTuple):
    """A query whose columns have the names of the labels and of the gauges that they are."""

    sql: str
    labels: tuple[str, ...]
    gauges: tuple[tuple[str, str], ...]
    """(name, what it is)."""


# By the time of the last block that was taken, not of taking it: who works without a pause and too slowly lags as well.
SCANNER: Final = (
    "SELECT last_block_number AS block_number,"
    " extract(epoch FROM now() - coalesce(to_timestamp(timestamp_ms / 1000.0), updated_at))::float8 AS lag_s"
    " FROM chain_cursors LEFT JOIN solid_blocks ON number = last_block_number WHERE id = 'solid'"
)
REFUSED_BLOCK: Final = (
    "SELECT last_block_number FROM chain_cursors WHERE id = 'refused' AND last_block_number >"
    " coalesce((SELECT last_block_number FROM chain_cursors WHERE id = 'solid'), -1)"
)
"""The block that the scanner refused and has not passed since, if there is one."""
_HEAD: Final = "(SELECT coalesce(max(notification_id), 0) FROM events)"
_SINCE: Final = (
    "coalesce(greatest(extract(epoch FROM now() - (SELECT occurred_at FROM history WHERE position = {} + 1)), 0), 0)"
    "::float8"
)

QUESTIONS: Final = (
    Question(
        "SELECT block_number AS counterfoil_scanner_block,"
        " CASE WHEN lag_s < 0 THEN 0 ELSE lag_s END AS counterfoil_scanner_lag_seconds"
        f" FROM (SELECT) LEFT JOIN ({SCANNER}) AS scanner ON true",
        (),
        (
            ("counterfoil_scanner_block", "The last solid block that was scanned"),
            ("counterfoil_scanner_lag_seconds", "How long ago the chain made that block"),
        ),
    ),
    Question(
        f"SELECT application_name AS view, greatest({_HEAD} - notification_id, 0) AS counterfoil_projection_lag_events,"
        f" {_SINCE.format('notification_id')} AS counterfoil_projection_lag_seconds FROM projection_tracking",
        ("view",),
        (
            ("counterfoil_projection_lag_events", "Events that the view does not show yet"),
            ("counterfoil_projection_lag_seconds", "Age of the first event that the view does not show yet"),
        ),
    ),
    Question(
        f"SELECT {_HEAD} AS counterfoil_history_position, greatest({_HEAD} - position, 0) AS counterfoil_relay_lag_events,"
        f" {_SINCE.format('bookmarks.position')} AS counterfoil_relay_lag_seconds FROM bookmarks WHERE name = 'relay'",
        (),
        (
            ("counterfoil_history_position", "The last position of the history"),
            ("counterfoil_relay_lag_events", "Events that projectors and signer were not told of yet"),
            ("counterfoil_relay_lag_seconds", "Age of the first of those events"),
        ),
    ),
    # What is below the signer's low-water mark is over: so only what may be open is looked at, account by account.
    Question(
        "SELECT state, count(open.state) AS counterfoil_payouts_open,"
        " coalesce(extract(epoch FROM now() - min(open.created_at)), 0)::float8 AS counterfoil_payouts_oldest_age_seconds"
        "  FROM unnest(ARRAY['requested', 'pending_sign', 'broadcasted']) AS states (state)"
        "  LEFT JOIN (SELECT payout.state, payout.created_at FROM accounts CROSS JOIN LATERAL"
        "               (SELECT p.state, p.created_at FROM payout_requests p WHERE p.account_id = accounts.id AND p.position >"
        "                  coalesce((SELECT position FROM bookmarks WHERE name = 'payouts'), 0)) AS payout) AS open"
        "    USING (state) GROUP BY state",
        ("state",),
        (
            ("counterfoil_payouts_open", "Payouts that are not over, by state"),
            ("counterfoil_payouts_oldest_age_seconds", "Age of the oldest of them, 0 without any"),
        ),
    ),
    Question(
        "SELECT reason, coalesce(extract(epoch FROM now() - min(open.waiting_since)), 0)::float8"
        " AS counterfoil_payout_oldest_seconds"
        f"  FROM unnest(ARRAY{list(get_args(WaitingFor))}) AS reasons (reason)"
        "  LEFT JOIN (SELECT payout.waiting_reason, payout.waiting_since FROM accounts CROSS JOIN LATERAL"
        "               (SELECT p.waiting_reason, p.waiting_since FROM payout_requests p WHERE p.account_id = accounts.id"
        "                  AND p.position > coalesce((SELECT position FROM bookmarks WHERE name = 'payouts'), 0)) AS payout)"
        "    AS open ON open.waiting_reason = reason GROUP BY reason",
        ("reason",),
        (("counterfoil_payout_oldest_seconds", "How long the payout has waited that waits longest, by reason"),),
    ),
    Question(
        "SELECT code AS ledger_account, currency,"
        " (amount_minor / 10.0 ^ 6)::float8 AS counterfoil_treasury_balance"  # USDT and TRX have 6 decimals each
        f" FROM balances WHERE account_id = '{TREASURY_ACCOUNT_ID}' AND type <> 'expense'",
        ("ledger_account", "currency"),
        (("counterfoil_treasury_balance", "What the treasury's book says, in whole units of the currency"),),
    ),
    Question(
        "SELECT count(*) AS counterfoil_outstanding_reports, coalesce(extract(epoch FROM now() - min(told_at)), 0)::float8"
        " AS counterfoil_outstanding_reports_oldest_age_seconds, count(*) FILTER (WHERE due_at <="
        " (SELECT last_block_number FROM chain_cursors WHERE id = 'solid')) AS counterfoil_outstanding_reports_overdue"
        " FROM outstanding_reports",
        (),
        (
            ("counterfoil_outstanding_reports", "Reports of the observer that are not recorded yet"),
            ("counterfoil_outstanding_reports_oldest_age_seconds", "Age of the oldest of them, 0 without any"),
            ("counterfoil_outstanding_reports_overdue", "Those that should have been recorded by now"),
        ),
    ),
    Question(
        "SELECT role AS wallet, usdt_minor / 10.0 ^ 6 AS counterfoil_wallet_usdt,"
        " usdt_floor_minor / 10.0 ^ 6 AS counterfoil_wallet_usdt_floor,"
        " trx_sun / 10.0 ^ 6 AS counterfoil_wallet_trx, trx_floor_sun / 10.0 ^ 6 AS counterfoil_wallet_trx_floor,"
        " energy_left AS counterfoil_wallet_energy, energy_lendable AS counterfoil_wallet_energy_lendable,"
        " energy_floor AS counterfoil_wallet_energy_floor FROM wallet_numbers",
        ("wallet",),
        (
            ("counterfoil_wallet_usdt", "USDT that the chain says a system wallet has"),
            ("counterfoil_wallet_usdt_floor", "USDT that it should not fall below, 0 for no floor"),
            ("counterfoil_wallet_trx", "TRX that the chain says a system wallet has, stake left out"),
            ("counterfoil_wallet_trx_floor", "TRX that it should not fall below, 0 for no floor"),
            ("counterfoil_wallet_energy", "Energy that it can use now"),
            ("counterfoil_wallet_energy_lendable", "Energy that its stake can lend now"),
            ("counterfoil_wallet_energy_floor", "Energy to lend that it should not fall below, 0 for no floor"),
        ),
    ),
    Question(
        "SELECT count(*) AS counterfoil_wallet_differences FROM wallet_differences",
        (),
        (("counterfoil_wallet_differences", "Accounts of system wallets that books and chain do not agree about"),),
    ),
    Question(
        "SELECT count(*) AS counterfoil_address_differences FROM address_differences",
        (),
        (
            (
                "counterfoil_address_differences",
                "Deposit addresses that books and chain do not agree about, by currency",
            ),
        ),
    ),
    Question(
        "SELECT process AS kind, position AS counterfoil_high_water_position FROM store_watch",
        ("kind",),
        (("counterfoil_high_water_position", "Of the mark that lies with the keys, as each signer saw it last"),),
    ),
    Question(
        "SELECT extract(epoch FROM now() - occurred_at)::float8 AS counterfoil_backup_age_seconds FROM history"
        " WHERE stream = 'store' AND topic = 'store.backup-taken/1' ORDER BY position DESC LIMIT 1",
        (),
        (("counterfoil_backup_age_seconds", "Age of the newest backup; absent where there never was one"),),
    ),
    Question(
        "SELECT count(*) AS counterfoil_addresses_ready FROM addresses WHERE state = 'ready'",
        (),
        (("counterfoil_addresses_ready", "Deposit addresses that can be given out"),),
    ),
    Question(
        "SELECT host AS node, coalesce(head, 0) AS counterfoil_node_head, lag_s AS counterfoil_node_lag_seconds,"
        " extract(epoch FROM now() - seen_at)::float8 AS counterfoil_node_look_age_seconds,"
        " (trouble = '')::int AS counterfoil_node_well FROM node_states",
        ("node",),
        (
            ("counterfoil_node_head", "The newest block of a Tron node, 0 where it does not say"),
            ("counterfoil_node_lag_seconds", "How old that block is"),
            ("counterfoil_node_look_age_seconds", "How long ago the node was looked at"),
            ("counterfoil_node_well", "1 for a node with which nothing is wrong"),
        ),
    ),
    Question(
        "SELECT CASE WHEN coalesce(made.size, 0) >= head THEN 0 ELSE extract(epoch FROM now() - coalesce(made.made_at,"
        " (SELECT occurred_at FROM history WHERE position = 1), now())) END::float8 AS counterfoil_checkpoint_age_seconds,"
        " coalesce(made.number, 0) - coalesce((SELECT position FROM bookmarks WHERE name = 'checkpoint-archive'), 0)"
        f" AS counterfoil_checkpoints_unarchived FROM (SELECT {_HEAD} AS head) AS h"
        " LEFT JOIN LATERAL (SELECT number, size, made_at FROM checkpoints ORDER BY number DESC LIMIT 1) AS made ON true",
        (),
        (
            ("counterfoil_checkpoint_age_seconds", "Age of the newest checkpoint, 0 where nothing has happened since"),
            ("counterfoil_checkpoints_unarchived", "Checkpoints that the archive does not have yet"),
        ),
    ),
    Question(
        "SELECT coalesce(holds::int, 0) AS counterfoil_reconcile_holds,"
        " coalesce(extract(epoch FROM now() - ended_at), 0)::float8 AS counterfoil_reconcile_age_seconds,"
        " coalesce(block, 0) AS counterfoil_reconcile_block,"
        " coalesce(jsonb_array_length(differences), 0) AS counterfoil_reconcile_differences, (holds IS NOT NULL)::int"
        " AS counterfoil_reconcile_runs FROM (SELECT) AS one"
        " LEFT JOIN (SELECT * FROM reconciliations ORDER BY id DESC LIMIT 1) AS last ON true",
        (),
        (
            ("counterfoil_reconcile_holds", "1 where the last reconcile found events, guard, views and chain as one"),
            ("counterfoil_reconcile_age_seconds", "How long ago it ended"),
            ("counterfoil_reconcile_block", "The solid block at which it asked the chain, 0 where it could not"),
            ("counterfoil_reconcile_differences", "How many differences it found"),
            ("counterfoil_reconcile_runs", "1 once there was one"),
        ),
    ),
    Question(
        "SELECT coalesce((SELECT amount_minor FROM balances"
        f" WHERE account_id = '{TREASURY_ACCOUNT_ID}' AND code = '{books.NETWORK_FEE}' AND currency = 'TRX'), 0)"
        " / 10.0 ^ 6 AS counterfoil_network_fees_trx",
        (),
        (("counterfoil_network_fees_trx", "TRX burned for transactions so far"),),
    ),
)


def processes(names: tuple[str, ...]) -> Question:
    """Which of the processes that there are run now, as each says of itself: 0 for one that is missing.

    `process` is the label of who is scraped, which would hide a label of that name.
    """
    return Question(
        "SELECT process AS kind, count(*) FILTER (WHERE seen_at > now() - interval '90 seconds') AS counterfoil_processes,"
        " count(*) FILTER (WHERE started_at > now() - interval '15 minutes') AS counterfoil_process_starts"
        f" FROM unnest(ARRAY{list(names)}) AS known (process) LEFT JOIN processes USING (process) GROUP BY process",
        ("kind",),
        (
            ("counterfoil_processes", "How many of a kind of process have shown themselves within 90 seconds"),
            ("counterfoil_process_starts", "How many were started within a quarter of an hour"),
        ),
    )
