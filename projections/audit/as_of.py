"""As of: which position a time before stands for, and what a book held there.

A time stands for the longest beginning of the history in which everything happened before it: an event that a slow clock
dates back does not come into a past that was shown already.
"""

from typing import Final, LiteralString

UNTILED_EVENTS_MAX: Final = 10_000
"""So many events that the tree does not hold yet are looked through; more, and the tree is behind."""

# A tile's `latest_at` never falls: the first one that reaches the time holds the first event that does.
BEFORE: Final[LiteralString] = """
WITH tile AS (
    SELECT index * 256 AS after FROM merkle_tiles WHERE level = 0 AND latest_at >= %(at)s ORDER BY latest_at, index LIMIT 1),
start AS (
    SELECT after, 256 AS events FROM tile
    UNION ALL SELECT size, %(untiled)s FROM merkle_tree WHERE NOT EXISTS (SELECT FROM tile))
SELECT notification_id - 1 AS position
  FROM (SELECT notification_id, (state::jsonb ->> 'occurred_at')::timestamptz AS occurred_at
          FROM events WHERE notification_id > (SELECT after FROM start)
         ORDER BY notification_id LIMIT (SELECT events FROM start)) AS looked_at
 WHERE occurred_at >= %(at)s ORDER BY notification_id LIMIT 1
"""
"""The last position before the first event at or after a time; no row where there is none."""

UNTILED: Final[LiteralString] = (
    "SELECT coalesce(max(notification_id), 0) AS head, (SELECT size FROM merkle_tree) AS tiled FROM events"
)

# Which accounts there were, and the last line of each up to there: one look into an index an account.
BALANCES: Final[LiteralString] = """
SELECT b.ledger_account_id, b.code, b.type, b.currency,
       CASE WHEN b.type IN ('asset', 'expense') THEN 1 ELSE -1 END * coalesce(last.balance_minor, 0) AS amount_minor,
       coalesce(last.created_at, l.created_at) AS updated_at
  FROM ledger_accounts AS l JOIN balances AS b ON b.ledger_account_id = l.id
  LEFT JOIN LATERAL (SELECT p.balance_minor, p.created_at FROM postings AS p
                      WHERE p.ledger_account_id = b.ledger_account_id AND p.currency = b.currency
                        AND p."position" <= %(cut)s
                      ORDER BY p."position" DESC, p.line DESC LIMIT 1) AS last ON true
 WHERE l.account_id = %(account_id)s::uuid AND l."position" <= %(cut)s ORDER BY b.code, b.currency
"""
"""Of a book at a position: each ledger account, its amount in its normal direction, the time of its last line."""
