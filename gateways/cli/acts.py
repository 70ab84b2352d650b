"""What every command that changes something shares: who acts, on what platform, why, and the entry in the log of acts."""

import contextlib
import getpass
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from core.ports.clients import AuditEntry, AuditLog
from core.streams.accounts import OPERATOR
from core.tron.address import Address
from gateways.cli.installation import opened_database
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.audited import LOOPBACK
from gateways.wiring.opened import open_platform, visiting
from gateways.wiring.platform import Platform, utc_now
from signers.sweeps.plan import wallets_of

if TYPE_CHECKING:
    from gateways.postgres.database import Database

REASON_CHARACTERS_MAX: Final = 500
WALLETS: Final = 'SELECT role, address, status, kms_key_id FROM system_wallets ORDER BY role, "position" DESC'


@contextlib.contextmanager
def acting(settings: Settings, role: str) -> Iterator[Platform]:
    """The platform with the chain of this installation, everything asked of one node."""
    with (
        opened_database(settings) as database,
        open_platform(settings, role, database) as platform,
        platform.node.pinned(),
    ):
        yield platform


def must_have_reason(reason: str, what: str) -> str:
    """Raises UserError without one."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise UserError(f"say why {what}, in at most {REASON_CHARACTERS_MAX} characters: it is kept for ever")
    return reason.strip()


def system_wallet(platform: Platform, role: str) -> Address:
    """The address that plays a role. Raises NotReady where none does."""
    found = wallets_of(platform.store).get(role)
    if found is None:
        raise NotReady(
            f"no {role} wallet is registered yet: "
            + (
                "`counterfoil wallets register cold ADDRESS` does it"
                if role == "cold"
                else "the processes payouts and sweeps register hot and gas when they start"
            )
        )
    return found


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
