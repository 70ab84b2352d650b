"""What processes do of their own accord, for the log of acts.

What is asked for over HTTP is noted by gateways/http, an operator's commands by gateways/cli/acts.py. A deposit
is a fact, no act, and has no entry.
"""

import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast
from uuid import uuid4

import msgspec

from core.ledger.events import TOPICS, Recorded
from core.ledger.ledger import Accepted, Command, Ledger, Outcome
from core.ports.clients import AuditEntry, AuditLog
from core.ports.queues import Queue
from core.ports.unavailable import Unavailable
from core.ports.wallets import AddressPool, ReadyAddress
from core.streams.accounts import OPERATOR
from core.streams.deposits import DepositConfirmed, DepositDetected, DepositOrphaned
from gateways.telemetry.turns import HERE
from gateways.wiring.platform import Platform, utc_now

KEPT_MAX: Final = 10_000
FACTS: Final = frozenset({DepositDetected, DepositConfirmed, DepositOrphaned})
_SHOWN: Final = ("txid", "reason", "cause", "causes", "failure", "failure_code", "role", "address", "purpose")
LOOPBACK: Final = "127.0.0.1"

log = logging.getLogger(__name__)


def host_ip() -> str:
    """The address under which this machine speaks to others. No packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: reserved for documentation, routed nowhere
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK


@dataclass
class ActLog:
    """Notes what one process does. Entries that the log cannot take now go in before the next ones.

    The log is written after the act: a process that dies between the two leaves an act whose only record is its event.
    """

    audit: AuditLog
    process: str
    ip_address: str

    def __post_init__(self) -> None:
        self._kept: deque[AuditEntry] = deque(maxlen=KEPT_MAX)

    def note(self, acts: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        """(account, action, data) each."""
        turn = HERE.get()
        request_id = f"{turn.ids.trace_id:032x}" if turn is not None else uuid4().hex
        now = utc_now()
        for account_id, action, data in acts:
            self._kept.append(
                AuditEntry(
                    account_id=account_id,
                    at=now,
                    action=action,
                    actor_id=f"system:{self.process}",
                    actor_type="system",
                    data=data,
                    ip_address=self.ip_address,
                    request_id=request_id,
                )
            )
        try:
            self.audit.add(list(self._kept))
        except Unavailable as error:  # what was done stands; its entries wait here
            log.warning("%d entries of the log of acts wait to be written: %s", len(self._kept), error)
            return
        except Exception as error:  # what was done stands, and its process goes on: it would do it a second time
            log.warning("the log of acts refuses one of %d entries: %r", len(self._kept), error)
            self._note_each()
            return
        self._kept.clear()

    def _note_each(self) -> None:
        """One by one; what the log refuses for what it is, is told here and nowhere else."""
        while self._kept:
            entry = self._kept[0]
            try:
                self.audit.add([entry])
            except Unavailable as error:
                log.warning("%d entries of the log of acts wait to be written: %s", len(self._kept), error)
                return
            except Exception:
                log.exception("the log of acts does not take that %s %s: %s", entry.actor_id, entry.action, entry.data)
            self._kept.popleft()


class AuditedLedger:
    """The write path of a process of the system; what it decided itself is noted."""

    def __init__(self, ledger: Ledger, acts: ActLog) -> None:
        self._ledger = ledger
        self._acts = acts

    def execute(self, commands: Sequence[Command]) -> list[Outcome]:
        outcomes = self._ledger.execute(commands)
        done = [
            act_of(recorded)
            for outcome in outcomes
            if isinstance(outcome, Accepted)
            for recorded in outcome.events
            if type(recorded.event) not in FACTS
        ]
        if done:
            self._acts.note(done)
        return outcomes


def act_of(recorded: Recorded) -> tuple[str, str, dict[str, Any]]:
    """An event as an act: whose, its topic, and where it stands in the history."""
    event = recorded.event
    shown = {name: msgspec.to_builtins(getattr(event, name)) for name in _SHOWN if hasattr(event, name)}
    account_id = str(getattr(event, "account_id", None) or OPERATOR)
    action = TOPICS[type(event)].partition("/")[0]
    return account_id, action, {"stream": recorded.stream, "position": recorded.position, **shown}


class AuditedQueue:
    """A queue that notes what is set aside from it."""

    def __init__(self, queue: Queue, name: str, acts: ActLog) -> None:
        self._queue = queue
        self._name = name
        self._acts = acts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def bury(self, receipt: str, reason: str) -> None:
        self._queue.bury(receipt, reason)
        self._acts.note([(OPERATOR, "queue.set-aside", {"queue": self._name, "reason": reason})])


class AuditedPool:
    """The pool of addresses; making some is noted."""

    def __init__(self, pool: AddressPool, acts: ActLog) -> None:
        self._pool = pool
        self._acts = acts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        self._pool.add(addresses)
        if addresses:
            first, last = addresses[0].key_id, addresses[-1].key_id
            data = {"addresses": len(addresses), "first_key": first, "last_key": last}
            self._acts.note([(OPERATOR, "deposit-addresses.made", data)])


def audited(platform: Platform, process: str) -> Platform:
    """The platform of a process of the system, whose acts are noted."""
    acts = ActLog(platform.audit, process, host_ip())
    queues = {name: cast("Queue", AuditedQueue(queue, name, acts)) for name, queue in platform.queues.items()}
    return replace(
        platform,
        ledger=cast("Any", AuditedLedger(platform.ledger, acts)),
        queues=queues,
        pool=cast("Any", AuditedPool(platform.pool, acts)),
    )


def rebuilds_noted(audit: AuditLog) -> Callable[[Sequence[str], str], None]:
    """Notes what became of rebuilds."""
    acts = ActLog(audit, "rebuild", host_ip())
    return lambda views, state: acts.note([(OPERATOR, f"projection.{state}", {"view": view}) for view in views])


@contextlib.contextmanager
def run_noted(platform: Platform, process: str) -> Iterator[None]:
    """The run of a process, from its start to its end, and what ended it."""
    from gateways import VERSION

    acts = ActLog(platform.audit, process, host_ip())
    run = {"pid": os.getpid(), "version": VERSION}
    acts.note([(OPERATOR, "process.started", run)])
    try:
        yield
    except BaseException as error:
        acts.note([(OPERATOR, "process.ended", {**run, "error": type(error).__name__})])
        raise
    acts.note([(OPERATOR, "process.ended", run)])
