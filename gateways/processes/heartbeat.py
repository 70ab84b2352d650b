"""What a process says of itself into the database: its version, what it reads, and before what of a newer version it stands.

Beside its sign of life, which only its own machine sees: `counterfoil upgrade status` and every API's /readyz read it.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from core.ledger.events import newest_level
from core.ports.alarm import Alarm, Condition
from core.ports.unavailable import Unavailable
from gateways import VERSION
from gateways.postgres.boards.process_board import Said, level_of, say
from gateways.postgres.connections import Login, conninfo_of
from gateways.postgres.migrate import migrations

BEAT_S: Final = 20.0
ALARM: Final = "newer_format"

log = logging.getLogger(__name__)


class Heartbeat:
    """Says every so often that the process is there, at once when it comes before something of a newer version.

    In a thread of its own, on a connection that it makes each time: it holds up nobody, and is no reason to end.
    """

    def __init__(self, name: str, login: Login, alarm: Alarm, *, every_s: float = BEAT_S) -> None:
        self._said = Said(
            process=name,
            instance=f"{socket.gethostname()}:{os.getpid()}",
            version=VERSION,
            migration=migrations()[-1].version,
            format_level=newest_level(),
        )
        self._login = login
        self._newer = Condition(alarm, ALARM, within=name)
        self._every_s = every_s
        self._now = threading.Event()
        self._ended = False
        self._noted = ""
        self._outgrown = ""

    @property
    def stands(self) -> str:
        """What of a newer version the process stands before; empty while it reads on."""
        return self._noted or self._outgrown

    def note(self, stands: str) -> None:
        """Called at every round. What is new is said at once, and rings once until it has ended."""
        if stands == self._noted:
            return
        self._noted = stands
        self._now.set()
        self._ring()

    def _ring(self) -> None:
        name = self._said.process
        self._newer.stand({name: f"{name} stands: {self.stands}"} if self.stands else {})

    def beat(self) -> None:
        """Once. What does not answer is left out: the next one says the same."""
        try:
            with psycopg.connect(conninfo_of(self._login), autocommit=True, connect_timeout=5) as conn:
                level = level_of(conn)
                if level > self._said.format_level:
                    self._outgrown = (
                        f"installed by a newer version: the history has format level {level}, and this program reads up to"
                        f" {self._said.format_level}"
                    )
                say(conn, self._said._replace(waits_for=self.stands))
        except (psycopg.Error, Unavailable) as error:
            log.debug("what runs here could not be said: %s", error)
        else:
            self._ring()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """While the block runs."""
        thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._now.set()
            thread.join(self._every_s)

    def _run(self) -> None:
        while not self._ended:
            self.beat()
            self._now.wait(self._every_s)
            self._now.clear()
