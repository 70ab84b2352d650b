"""Who may read and write what in the database, as a table for people: a test holds every migrated database to it.

The migrations give these rights; changing them takes a migration and a line here.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

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
from projections.views import VIEWS

Roles = frozenset[str]


class Rights(NamedTuple):
    """What each login may do with one table. `changes` names the columns that a role may UPDATE, "*" for all of them."""

    reads: Roles
    adds: Roles
    changes: Mapping[str, str]
    removes: Roles
    rows: str
    """Which rows, and what holds it beside the grants; empty where a role may have all."""


def _may(
    reads: Iterable[str] = (),
    adds: Iterable[str] = (),
    changes: Mapping[str, str] = MappingProxyType({}),
    removes: Iterable[str] = (),
    rows: str = "",
) -> Rights:
    return Rights(frozenset(reads), frozenset(adds), changes, frozenset(removes), rows)


EVERYBODY: Final = LOGINS
SCANNED: Final = (API, RECORDER, SIGNER, OBSERVER, RELAY, WEBHOOKS, PROJECTOR, READER)
APPENDERS: Final = (API, RECORDER, SIGNER, WEBHOOKS)
TAKERS: Final = (RECORDER, SIGNER, PROJECTOR)
PUTTERS: Final = (OBSERVER, RELAY)
AUDITED: Final = (API, CHECKPOINTER, READER)

_ITS_QUEUES: Final = (
    "observer puts at deposit-events, relay at payout-requests and project-*; recorder, signer and projector take from those,"
    " and put what they had buried there"
)
_BOOKMARKS: Final = (
    "relay: relay; webhooks: webhooks, alarms; checkpointer: checkpoint-archive; signer: payouts, instructions, sweeps,"
    " solid-log:*; none beyond the history, the alarms or the checkpoints that there are"
)
_POSITION: Final = "position updated_at"

OWN: Final[Mapping[str, Rights]] = {
    "events": _may(EVERYBODY, APPENDERS, rows="each its own topics (event_grants), behind the last; never changed"),
    "seals": _may(
        EVERYBODY, APPENDERS, rows="of the events that the same transaction adds, by their hash; never changed"
    ),
    "guard": _may(SCANNED, (API, RECORDER, SIGNER), dict.fromkeys((API, RECORDER, SIGNER), "balance_minor")),
    "append_head": _may(APPENDERS, rows="a trigger of every append moves it"),
    "history": _may(EVERYBODY, rows="a view of events"),
    "addresses": _may(
        SCANNED, (SIGNER,), {API: "state"}, rows="ready becomes taken, once; whose key it is never changes"
    ),
    "api_keys": _may(
        (API,),
        (API,),
        {API: "status last_used_at"},
        rows="a revoked key stays revoked; account and permissions never change",
    ),
    "idempotency_keys": _may((API,), (API,), {API: "*"}, (API,)),
    "audit_logs": _may((API,), set(LOGINS) - {READER}),
    "webhook_events": _may(
        (API, WEBHOOKS),
        (API, WEBHOOKS),
        {API: "status next_retry_at", WEBHOOKS: "status attempts last_attempt_at last_error next_retry_at"},
        rows="api: only to pending, which sends it again",
    ),
    "unsettled_webhooks": _may((API, WEBHOOKS, READER), (API, WEBHOOKS), removes=(API, WEBHOOKS)),
    "alarms": _may(
        (API, READER, WEBHOOKS),
        rows="every login rings by raise_alarm and stand_alarms, as itself; none takes an alarm back, and each ends only what"
        " it rang and what ends by itself",
    ),
    "alarm_changes": _may((READER, WEBHOOKS), rows="what becomes of an alarm, by the functions that change it"),
    "reconciliations": _may((API, READER), rows="note_reconciliation adds; never changed, the newest hundred stay"),
    "alarm_totals": _may((READER, WEBHOOKS), rows="raise_alarm counts"),
    "bookmarks": _may(
        EVERYBODY,
        (RELAY, WEBHOOKS, CHECKPOINTER, SIGNER),
        dict.fromkeys((RELAY, WEBHOOKS, CHECKPOINTER, SIGNER), _POSITION),
        rows=_BOOKMARKS,
    ),
    "chain_cursors": _may(
        SCANNED,
        (OBSERVER, SIGNER),
        {OBSERVER: "last_block_number last_block_id unsolid updated_at"},
        rows="genesis: written once, by observer or signer; all others: observer, solid never beyond solid_blocks",
    ),
    "solid_blocks": _may(
        (API, RECORDER, SIGNER, OBSERVER, PROJECTOR, READER),
        (OBSERVER,),
        removes=(OBSERVER,),
        rows="removed: only below every bookmark solid-log:*",
    ),
    "solid_transactions": _may(
        (API, RECORDER, SIGNER, OBSERVER, PROJECTOR, READER), (OBSERVER,), rows="removed with their block"
    ),
    "outstanding_reports": _may(
        (OBSERVER, RECORDER, READER, SIGNER), (OBSERVER,), {OBSERVER: "times due_at"}, (OBSERVER, RECORDER)
    ),
    "queue_messages": _may(
        (*TAKERS, API), (*PUTTERS, *TAKERS), dict.fromkeys(TAKERS, "visible_at receipt attempts"), TAKERS, _ITS_QUEUES
    ),
    "queue_keys": _may(PUTTERS, PUTTERS, dict.fromkeys(PUTTERS, "sent_at"), PUTTERS, "of the queues where it puts"),
    "queue_dead_letters": _may((*TAKERS, API), TAKERS, removes=TAKERS, rows="of the queues from which it takes"),
    "store_watch": _may((SIGNER, READER), (SIGNER,), {SIGNER: "*"}),
    "address_door": _may((API, SIGNER, READER), rows="functions of the owner write it, which a signer alone may call"),
    "checkpoints": _may((*AUDITED, SIGNER), (CHECKPOINTER,), rows="never changed"),
    "receipt_trees": _may(AUDITED, (CHECKPOINTER,)),
    "merkle_tiles": _may(AUDITED, (CHECKPOINTER,), {CHECKPOINTER: "*"}),
    "merkle_tree": _may(AUDITED, changes={CHECKPOINTER: "*"}),
    "note_keys": _may(AUDITED, (CHECKPOINTER,), rows="never changed"),
    "wallet_numbers": _may((SIGNER, READER), (SIGNER,), {SIGNER: "*"}),
    "former_wallet_numbers": _may((SIGNER, READER), (SIGNER,), {SIGNER: "*"}, (SIGNER,)),
    "wallet_differences": _may((SIGNER, READER), (SIGNER,), {SIGNER: "*"}, (SIGNER,)),
    "address_differences": _may((SIGNER, READER), (SIGNER,), {SIGNER: "*"}, (SIGNER,)),
    "payout_lanes": _may((SIGNER, READER), (SIGNER,), {SIGNER: "*"}, (SIGNER,)),
    "node_states": _may((OBSERVER, READER, SIGNER), (OBSERVER,), {OBSERVER: "*"}, (OBSERVER,)),
    "foreground": _may((API, PROJECTOR, READER), (API,), {API: "*"}, (API,)),
    "set_aside_events": _may(
        (PROJECTOR, READER, RECORDER, API), (PROJECTOR,), {PROJECTOR: "settled_at settled_by settled_reason"}
    ),
    "rebuilds": _may(
        (API, PROJECTOR, READER),
        (API, PROJECTOR),
        dict.fromkeys(
            (API, PROJECTOR),
            "state wish hold requested_by requested_at position aim events_per_second share_percent found error"
            " started_at updated_at ended_at",
        ),
        rows="api: asks for one, and changes wish and hold; how far it is, only the projector says",
    ),
    "projection_tracking": _may((PROJECTOR, READER, SIGNER), (PROJECTOR,), {PROJECTOR: "*"}),
    "view_tables": _may((API, PROJECTOR, READER), rows="`counterfoil migrate` writes it"),
    "retired_views": _may((API, PROJECTOR, READER), rows="swap_version and roll_back_version write it"),
    "event_grants": _may((API, RECORDER, SIGNER, OBSERVER, RELAY, WEBHOOKS), rows="`counterfoil migrate` writes it"),
    "stream_topics": _may((API, RECORDER, SIGNER, WEBHOOKS, READER), rows="`counterfoil migrate` writes it"),
    "format_levels": _may(EVERYBODY, rows="an event of `counterfoil upgrade finish` adds one"),
    "processes": _may(
        EVERYBODY,
        set(LOGINS) - {READER},
        dict.fromkeys(sorted(set(LOGINS) - {READER}), "waits_for seen_at"),
        set(LOGINS) - {READER},
        "each its own login's; removed after a day",
    ),
    "compatible_migrations": _may(EVERYBODY, rows="`counterfoil migrate` writes it"),
    "schema_migrations": _may(EVERYBODY, rows="`counterfoil migrate` writes it"),
    "unproven_entries": _may(rows="triggers of postings write it"),
}
"""Every table that is no view's."""

_ALSO_READ: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": (READER, WEBHOOKS),
    "client_events": (READER, WEBHOOKS),
    "address_holdings": (READER, SIGNER),
    "client_objects": (),
    "client_sequences": (),
}
VIEW_TABLES: Final[Mapping[str, Rights]] = {
    table.name: _may((PROJECTOR, *_ALSO_READ.get(table.name, (READER,))), (PROJECTOR,), {PROJECTOR: "*"}, (PROJECTOR,))
    for view in VIEWS.values()
    for table in view.tables
}
"""What follows from the history: the projector's, in every version of a view."""

RIGHTS: Final[Mapping[str, Rights]] = {**OWN, **VIEW_TABLES}

CALLS: Final[Mapping[str, Roles]] = {
    **dict.fromkeys(("raise_alarm", "end_alarm", "stand_alarms"), frozenset(EVERYBODY)),
    "acknowledge_alarm": frozenset({API}),
    "end_quiet_alarms": frozenset({WEBHOOKS}),
    "note_reconciliation": frozenset({OBSERVER}),
    **dict.fromkeys(("take_append_lock", "begin_append", "finish_append"), frozenset(APPENDERS)),
    "take_queue_turn": frozenset(TAKERS),
    "address_door_is_open": frozenset({API, SIGNER, READER}),
    **dict.fromkeys(
        ("open_address_door", "shut_address_door", "give_up_ready_addresses", "give_up_used_addresses"),
        frozenset({SIGNER}),
    ),
    **dict.fromkeys(
        (
            "claim_views",
            "begin_version",
            "finish_version",
            "drop_version",
            "drop_passed",
            "forget_retired",
            "swap_version",
            "roll_back_version",
        ),
        frozenset({PROJECTOR}),
    ),
}
"""Who may call which function of ours; all others are called by triggers, or by these."""
