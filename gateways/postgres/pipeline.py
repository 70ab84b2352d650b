"""Statements of one round trip, on libpq's own pipeline. psycopg's does the same for ten times the work of its caller.

What it costs to send a statement and to take its answer is what an append costs its process: this file is that short path
and nothing else. Parameters and answers are bytes in Postgres' binary formats (projections/engine/binary.py).
"""

from select import POLLIN, POLLOUT, poll
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGresult

_BINARY: Final = Format.BINARY
_prepared: "Final[WeakKeyDictionary[psycopg.Connection[Any], set[bytes]]]" = WeakKeyDictionary()


class Statement:
    """A statement that each connection prepares once."""

    def __init__(self, name: str, text: str, parameters: int) -> None:
        self.name = name.encode()
        self.text = text.encode()
        self.formats = [_BINARY] * parameters


class Pipeline:
    """A block of statements that are sent as they are given; its end waits for all answers.

    Whatever is raised, be it by the server, by the network or by the block itself, the connection is closed: nobody else
    gets one whose state is unknown. `answers` has the statements' answers once the block has ended, in order.
    """

    def __init__(self, conn: "psycopg.Connection[Any]") -> None:
        self._conn = conn
        self._pg = conn.pgconn
        self._known = _prepared.setdefault(conn, set())
        self._given: list[bool] = []
        """For each answer that will come, whether it is a statement's own."""
        self.answers: list[PGresult] = []

    def __enter__(self) -> Self:
        self._pg.enter_pipeline_mode()
        return self

    def send(self, statement: Statement, *values: bytes | None) -> None:
        """Prepared at its first use. The server works on it while the next one is being made."""
        if statement.name not in self._known:
            self._pg.send_prepare(statement.name, statement.text)
            self._given.append(False)
            self._known.add(statement.name)
        self._pg.send_query_prepared(statement.name, values, statement.formats, result_format=_BINARY)
        self._given.append(True)
        self._pg.flush()

    def command(self, text: bytes) -> None:
        """One without parameters, as BEGIN and COMMIT are."""
        self._pg.send_query_params(text, None)
        self._given.append(True)

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if raised is not None:
            self._conn.close()
            return
        try:
            self._pg.pipeline_sync()
            self._take_all()
            self._pg.exit_pipeline_mode()
        except BaseException:
            self._conn.close()
            raise

    def _take_all(self) -> None:
        """Every answer up to the pipeline's end. Raises the first refusal, once nothing more will come."""
        refused: psycopg.Error | None = None
        given = iter(self._given)
        while (result := self._next()).status != ExecStatus.PIPELINE_SYNC:
            own = next(given, False)
            if result.status == ExecStatus.FATAL_ERROR:
                refused = refused or _error(result)
                if self._pg.status == ConnStatus.BAD:
                    break
            elif own:  # behind a refusal they are empty, and nobody sees them
                self.answers.append(result)
        if refused is not None:
            raise refused

    def _next(self) -> PGresult:
        """The next answer. libpq puts a None behind each statement's; a second one in a row is no answer at all."""
        pg = self._pg
        for _ in range(2):
            while pg.flush():
                if _wait(pg.socket, POLLIN | POLLOUT) & POLLIN:
                    pg.consume_input()
            while pg.is_busy():
                _wait(pg.socket, POLLIN)
                pg.consume_input()
            result = pg.get_result()
            if result is not None:
                return result
        raise psycopg.OperationalError("the server ended the conversation")


def _wait(socket: int, events: int) -> int:
    """Until the socket is ready for one of them -> which. Not select(), whose sockets end at 1,023."""
    poller = poll()
    poller.register(socket, events)
    return poller.poll()[0][1]


def _error(result: PGresult) -> psycopg.Error:
    said = (result.error_message or b"").decode(errors="replace").strip()
    state = result.error_field(DiagnosticField.SQLSTATE)
    if state is None:  # libpq's own: the connection is gone
        return psycopg.OperationalError(said)
    try:
        return errors.lookup(state.decode())(said)
    except KeyError:
        return psycopg.DatabaseError(said)
