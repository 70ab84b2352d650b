"""The log of acts at the command line: who did what, from where."""

import contextlib
import getpass
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.ports.clients import AuditEntry, AuditLog
from core.streams.accounts import OPERATOR
from gateways.settings import Settings
from gateways.wiring.audited import LOOPBACK
from gateways.wiring.platform import utc_now

if TYPE_CHECKING:
    from gateways.postgres.database import Database


def at_terminal() -> str:
    """Who sits at this terminal, as an actor."""
    return f"operator:{getpass.getuser()}"


def terminal_ip() -> str:
    """Where the operator's terminal is: the SSH client's address, or this machine."""
    return os.environ.get("SSH_CONNECTION", "").partition(" ")[0] or LOOPBACK


@contextlib.contextmanager
def audit_log(settings: Settings, database: "Database | None" = None) -> Iterator[AuditLog]:
    """The audit log alone, for a command that needs no platform, or has none yet."""
    if settings.mode == "aws":
        from gateways.aws.audit_log import DynamoAuditLog
        from gateways.aws.session import Aws

        yield DynamoAuditLog(Aws(settings))
        return
    from gateways.embedded.audit_log import PostgresAuditLog
    from gateways.postgres.connections import Connections
    from gateways.postgres.roles import API
    from gateways.wiring.opened import visiting

    with contextlib.ExitStack() as stack:
        database = database or stack.enter_context(visiting(settings))
        connections = Connections(database.role_urls[API], connections_max=1)
        stack.callback(connections.close)
        yield PostgresAuditLog(connections)


def note_command(settings: Settings, action: str, database: "Database | None" = None, **data: Any) -> None:
    """An operator's act at the command line, noted once it is done. `data` holds no secret (I13). Raises Unavailable."""
    entry = AuditEntry(
        account_id=OPERATOR,
        at=utc_now(),
        action=action,
        actor_id=at_terminal(),
        actor_type="operator",
        data=data,
        ip_address=terminal_ip(),
        request_id=str(uuid4()),
    )
    with audit_log(settings, database) as log_of_acts:
        log_of_acts.add([entry])
