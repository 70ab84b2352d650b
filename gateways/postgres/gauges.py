"""Numbers that are looked up when somebody asks: what waits, how far everything came, what the wallets hold.

The API shows them for the whole installation, from the reader's login, and every API process the same: take the maximum. What
cannot be looked up is left out, except that it could not: a gap is no zero.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.ledger.ledger import EventStore
from core.ports.clients import WebhookOutbox
from core.ports.queues import Queue
from core.ports.unavailable import Unavailable
from core.streams.payouts import WaitingFor
from core.streams.signing import Cause
from gateways.postgres.connections import Connections, Login
from projections.explain.signing import holding

log = logging.getLogger(__name__)

ALARM_NAMES_MAX: Final = 1_000
BACKLOG_MAX: Final = 1_000
"""Webhooks beyond it are not counted: it is enough to know that there are so many."""
READ_WAIT_S: Final = 2.0


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
        "SELECT process, position AS counterfoil_high_water_position FROM store_watch",
        ("process",),
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
)
_TOTALS: Final = f"SELECT name, times FROM alarm_totals ORDER BY name LIMIT {ALARM_NAMES_MAX}"
_OPTIONS: Final = "-c statement_timeout=5000 -c enable_seqscan=off -c default_transaction_read_only=on"


class Installation(Collector):
    """What the reader's login sees. `extra` are questions of others, each looked up like these."""

    def __init__(self, reader: Connections, questions: Sequence[Question] = QUESTIONS) -> None:
        self._reader = reader
        self._questions = questions

    def describe(self) -> Iterable[Metric]:
        """Asked at registration: nothing is looked up for that."""
        return []

    def collect(self) -> Iterator[Metric]:
        reachable = 1
        try:
            for question in self._questions:
                yield from _metrics(question, self._reader.execute(question.sql))
            yield self._alarms()
        except Unavailable as error:  # one wait for a database that is down is enough
            log.warning("numbers are missing from /metrics: %s", error)
            reachable = 0
        yield GaugeMetricFamily(
            "counterfoil_database_reachable", "1 when everything could be looked up, 0 when not", value=reachable
        )

    def _alarms(self) -> Metric:
        """Unknown is left out: a counter that falls to 0 would be taken for a restart."""
        alarms = CounterMetricFamily("counterfoil_alarms", "Alarms of all processes, by name", labels=["name"])
        for row in self._reader.execute(_TOTALS):
            alarms.add_metric([row.name], row.times)
        return alarms


class SigningGauge(Collector):
    """What holds signing back, from the history itself."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        stopped = GaugeMetricFamily(
            "counterfoil_signing_stopped", "1 for each cause that holds signing back now", labels=["cause"]
        )
        try:
            causes = {each.cause for each in holding(self._store)}
        except Unavailable:
            return
        for cause in get_args(Cause):
            stopped.add_metric([cause], cause in causes)
        yield stopped


class QueueGauges(Collector):
    """What waits in queues."""

    def __init__(self, queues: Mapping[str, Queue]) -> None:
        self._queues = queues

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("counterfoil_queue_messages", "Messages that wait or are in flight", labels=["queue"])
        dead = GaugeMetricFamily("counterfoil_queue_dead_letters", "Messages nobody could handle", labels=["queue"])
        age = GaugeMetricFamily(
            "counterfoil_queue_age_seconds",
            "Age of the oldest message, 0 without any; on AWS CloudWatch has it",
            labels=["queue"],
        )
        for name, queue in self._queues.items():
            try:
                messages, letters, oldest_s = queue.depth(), queue.dead_depth(), queue.oldest_s()
            except Unavailable as error:
                log.warning("numbers of the queue %s are missing from /metrics: %s", name, error)
                continue
            depth.add_metric([name], messages)
            dead.add_metric([name], letters)
            if oldest_s is not None:
                age.add_metric([name], oldest_s)
        yield from (depth, dead, age)


class WebhookGauges(Collector):
    """What should have been sent to clients by now."""

    def __init__(self, outbox: WebhookOutbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        try:
            backlog = self._outbox.backlog(now, BACKLOG_MAX)
        except Unavailable as error:
            log.warning("numbers of webhooks are missing from /metrics: %s", error)
            return
        age_s = 0.0 if backlog.since is None else max(0.0, (now - backlog.since).total_seconds())
        sentence = f"Webhooks that are due and were not tried yet, at most {BACKLOG_MAX}"
        yield GaugeMetricFamily("counterfoil_webhook_backlog", sentence, value=backlog.deliveries)
        yield GaugeMetricFamily(
            "counterfoil_webhook_backlog_seconds", "How long the first of them has been due, 0 without any", value=age_s
        )


def reader_of(login: Login) -> Connections:
    """One connection, for questions that are short."""
    return Connections(login, connections_max=1, wait_s=READ_WAIT_S, options=_OPTIONS)


def _metrics(question: Question, rows: Sequence[Any]) -> list[Metric]:
    families = [GaugeMetricFamily(name, sentence, labels=question.labels) for name, sentence in question.gauges]
    for row in rows:
        labels = [str(getattr(row, label)) for label in question.labels]
        for family in families:
            value = getattr(row, family.name)
            family.add_metric(labels, float("nan") if value is None else float(value))
    return list(families)
