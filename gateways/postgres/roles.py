"""Which database role each kind of process logs in as, and which events that role may append, as they declare it (I14)."""

from collections.abc import Mapping
from typing import Final, get_args

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger.events import DECLARATIONS, Appender, Event, newest_level, topics_written

OWNER: Final = "counterfoil_owner"
"""Owns every table and cannot log in."""

WRITER: Final = "counterfoil_writer"
"""May append everything. For tools that load a history; no process logs in as it."""

API: Final = "counterfoil_api"
RECORDER: Final = "counterfoil_recorder"
SIGNER: Final = "counterfoil_signer"
OBSERVER: Final = "counterfoil_observer"
RELAY: Final = "counterfoil_relay"
WEBHOOKS: Final = "counterfoil_webhooks"
CHECKPOINTER: Final = "counterfoil_checkpointer"
PROJECTOR: Final = "counterfoil_projector"
READER: Final = "counterfoil_reader"

LOGINS: Final = (API, RECORDER, SIGNER, OBSERVER, RELAY, WEBHOOKS, CHECKPOINTER, PROJECTOR, READER)
"""The roles of running processes. None of them can change the history (I2)."""

ROLES: Final = (WRITER, PROJECTOR, READER, API, RECORDER, SIGNER, OBSERVER, RELAY, WEBHOOKS, CHECKPOINTER)

MAY_APPEND: Final[Mapping[str, frozenset[type[Event]]]] = {
    f"counterfoil_{appender}": frozenset(cls for cls, declared in DECLARATIONS.items() if appender in declared.by)
    for appender in get_args(Appender)
}
"""By role. `counterfoil migrate` writes it into the table event_grants, by which a trigger holds every append to it."""


def grants(level: int | None = None) -> set[tuple[str, str]]:
    """(role, topic) of everything that a process may append from a format level on; None: at the newest."""
    since = newest_level() if level is None else level
    return {
        (role, topic)
        for role, classes in MAY_APPEND.items()
        for cls in classes
        for topic, _ in topics_written(cls, since)
    }
