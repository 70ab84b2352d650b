"""Every port on the tables of one Postgres: the whole platform on one machine, and the ground of the one on AWS."""

import os
import socket
from collections.abc import Mapping
from typing import Final

from core.ledger.clock import CheckedClock
from core.ledger.ledger import Ledger
from core.streams.refused_commands import RefusedCommands
from gateways.embedded.api_keys import PostgresApiKeys
from gateways.embedded.audit_log import PostgresAuditLog
from gateways.embedded.idempotency_keys import PostgresIdempotencyKeys
from gateways.embedded.queue import PostgresQueue
from gateways.embedded.webhook_outbox import PostgresWebhookOutbox
from gateways.node_addresses import names_of
from gateways.platform_keys import Secrets
from gateways.postgres.address_door import PostgresAddressDoor
from gateways.postgres.address_pool import PostgresAddressPool
from gateways.postgres.alarms import Alarms
from gateways.postgres.boards.address_board import PostgresAddressBoard
from gateways.postgres.boards.lane_board import PostgresLaneBoard
from gateways.postgres.boards.node_board import PostgresNodeBoard
from gateways.postgres.boards.store_watch import PostgresStoreWatch
from gateways.postgres.boards.wallet_board import PostgresWalletBoard
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections, Login
from gateways.postgres.cursors import PostgresCursors
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.holdings import PostgresHoldings
from gateways.postgres.outstanding import PostgresOutstanding
from gateways.postgres.roles import API
from gateways.postgres.segments import Prompts
from gateways.postgres.solid_log import PostgresAttemptIndex, PostgresSolidLog
from gateways.queues import QUEUES
from gateways.settings import Settings
from gateways.tron.grpc_node import node_at
from gateways.tron.nodes import Nodes
from gateways.tron.roster import LAG_S_MAX
from gateways.wiring.platform import Platform, utc_now

FEW: Final = 3
MANY: Final = 8
"""Connections of one process to its tables."""
ALARM_WAIT_S: Final = 2.0
"""So long an alarm may hold up who raises it while the database is shut; then the log has it alone."""


def host_name(role: str) -> str:
    """This host and process, for whoever is rung."""
    return f"{socket.gethostname()} ({role.removeprefix('counterfoil_')}, pid {os.getpid()})"


def on_postgres(
    settings: Settings, secrets: Secrets, logins: Mapping[str, Login], role: str
) -> tuple[Platform, Connections]:
    """Every port on the tables of one database, and the connections to them. AWS puts others in the place of some."""
    login = logins[role]
    # One thread needs hardly more than one connection at a time; all pools together stay below what a server lets in.
    most = MANY if role == API or settings.mode == "aws" else FEW
    connections = Connections(login, connections_max=most)
    store = PostgresEventStore(datastore(login, connections_max=most // 2 + 1))
    # Connections of their own: whoever raises an alarm may hold all the others.
    ringing = Connections(login, connections_max=1, wait_s=ALARM_WAIT_S)
    # Queues and bookmarks need not wait for the disk. What a crash of the server takes back of them it takes back of all that
    # was committed after, the cursor behind a report included, and what was taken twice is done once (I9, I11).
    hints = Connections(login, connections_max=most, options="-c synchronous_commit=off")
    alarm = Alarms(ringing)
    names = names_of(each.url for each in settings.nodes)
    each_node = {names[each.url]: node_at(each, token=settings.usdt.evm) for each in settings.nodes}
    node = Nodes(each_node, alarm=alarm, lag_s_max=settings.lag_s_max or LAG_S_MAX)

    def close() -> None:
        node.close()
        connections.close()
        hints.close()
        ringing.close()
        store.close()

    platform = Platform(
        settings=settings,
        secrets=secrets,
        clock=utc_now,
        store=store,
        ledger=Ledger(store, utc_now, RefusedCommands() if role == API else None, CheckedClock(host_name(role), alarm)),
        node=node,
        api_keys=PostgresApiKeys(connections),
        idempotency_keys=PostgresIdempotencyKeys(connections),
        outbox=PostgresWebhookOutbox(connections),
        audit=PostgresAuditLog(connections),
        pool=PostgresAddressPool(connections),
        address_door=PostgresAddressDoor(connections),
        holdings=PostgresHoldings(connections),
        wallet_board=PostgresWalletBoard(connections),
        address_board=PostgresAddressBoard(connections),
        lane_board=PostgresLaneBoard(connections),
        node_board=PostgresNodeBoard(connections),
        store_watch=PostgresStoreWatch(connections),
        cursors=PostgresCursors(connections),
        bookmarks=PostgresBookmarks(hints),
        solid_log=PostgresSolidLog(connections),
        outstanding=PostgresOutstanding(connections),
        attempt_index=PostgresAttemptIndex(connections),
        alarm=alarm,
        queues={name: PostgresQueue(hints, name) for name in QUEUES},
        transaction=connections.transaction,
        segments=Prompts(),
        logins=logins,
        owner_url="",
        close=close,
    )
    return platform, connections
