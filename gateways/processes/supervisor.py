"""Runs every process of one machine: starts them, restarts what was killed, stops them in order.

Children are forked from one warm parent, so that they start in milliseconds and share its memory, which holds no secret. They
end with their parent, even when it is killed.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateways.processes.confinement.hardened import named
from gateways.telemetry.life_signs import DOWN

PAUSE_FIRST_S: Final = 1.0
PAUSE_MAX_S: Final = 60.0
"""Between the ends of a process that ends again and again: doubled each time, and it goes on for ever."""
STEADY_S: Final = 60.0
"""Who ran for so long is started again at once."""
RINGS_AT: Final = 5
"""Ends in a row after which somebody is told."""
STOP_S: Final = 30.0
"""Longer than a poll of a queue, which is seen to its end: what it brings would else be hidden for a minute."""

log = logging.getLogger(__name__)
_fork = multiprocessing.get_context("fork")


class Child:
    """One supervised process."""

    def __init__(
        self,
        name: str,
        target: Callable[[], None],
        log_file: Path,
        sign: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        before: Callable[[], None] | None = None,
    ) -> None:
        """`sign` is the process' sign of life, which says that it is down while nobody else can.

        `before` is called first in the new process, while it has one thread, and so may fork.
        """
        self.name = name
        self._target = target
        self._log_file = log_file
        self._clock = clock
        self._sign = sign
        self._before = before
        self._ends = 0
        self._due = 0.0
        self._process = self._start()

    def _start(self) -> "multiprocessing.context.ForkProcess":
        self._started_at = self._clock()
        given = (self._target, self._before, os.getpid(), self._log_file)
        process = _fork.Process(target=_run_child, args=given, name=self.name)
        process.start()
        return process

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def exitcode(self) -> int | None:
        return self._process.exitcode

    def revive(self) -> None:
        """Start again what ended: at once, and after longer and longer pauses what ends all the time. Nothing stays down."""
        now = self._clock()
        if not self._due:
            self._ends = 1 if now - self._started_at > STEADY_S else self._ends + 1
            pause_s = min(PAUSE_FIRST_S * 2 ** (self._ends - 2), PAUSE_MAX_S) if self._ends > 1 else 0.0
            self._due = now + pause_s
            said = f"{self.name} ended with {self.exitcode}, the {self._ends}. time in a row"
            self._say(said)
            if self._ends >= RINGS_AT:
                log.error("ALARM process_down: %s; it is started again in %.0f s, and so on", said, pause_s)
            else:
                log.warning("%s: starting it again in %.0f s", said, pause_s)
        if now >= self._due:
            try:
                self._process = self._start()
            except OSError as error:  # no memory, no process to be had: that ends, too
                self._due = now + PAUSE_FIRST_S
                log.error("%s could not be started, and is tried again: %s", self.name, error)
            else:
                self._due = 0.0

    def _say(self, said: str) -> None:
        """Into the sign of life, which the process itself clears when it goes on."""
        if self._sign is not None and self._ends > 1:
            with contextlib.suppress(OSError):  # a disk that is full takes no word of it
                self._sign.write_text(f"{DOWN}{said}", encoding="utf-8")

    def last_word(self) -> str:
        """Of one that has ended: the last line of its log, and where the rest is."""
        lines = (
            self._log_file.read_text(encoding="utf-8", errors="replace").split("\n") if self._log_file.exists() else []
        )
        said = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {self.exitcode}")
        return f"{said} (see {self._log_file})"

    def stop(self) -> None:
        if self.alive:
            self._process.terminate()

    def join(self, timeout_s: float) -> bool:
        """True when it has ended; it is killed when it does not end in time."""
        self._process.join(timeout_s)
        if self.alive:
            log.error("%s did not end in %.0f s: killing it", self.name, timeout_s)
            self._process.kill()
            self._process.join(5)
            return False
        return True


class Supervisor:
    """The children, by name, in the order in which they were started; they are stopped in reverse.

    What a child prints goes to `logs`/<name>.log, so that the terminal stays the operator's.
    """

    def __init__(self, logs: Path, signs: Path | None = None) -> None:
        """`signs` is the folder of the processes' signs of life."""
        self.children: dict[str, Child] = {}
        self._logs = logs
        self._signs = signs

    def start(self, name: str, target: Callable[[], None], before: Callable[[], None] | None = None) -> Child:
        self._logs.mkdir(parents=True, exist_ok=True)
        sign = self._signs / name if self._signs is not None else None
        child = Child(name, target, self._logs / f"{name}.log", sign, before=before)
        self.children[name] = child
        return child

    def watch(self, stop: threading.Event, also: Callable[[], None] = lambda: None) -> None:
        """Until `stop`: restart what ends; `also` is called at every look."""
        while not stop.wait(0.2):
            also()
            for child in self.children.values():
                if not (child.alive or stop.is_set()):
                    child.revive()

    def stop(self) -> None:
        for child in reversed(self.children.values()):
            child.stop()
        deadline = time.monotonic() + STOP_S
        for child in reversed(self.children.values()):
            child.join(max(0.1, deadline - time.monotonic()))


def _run_child(target: Callable[[], None], before: Callable[[], None] | None, parent: int, log_file: Path) -> None:
    log_to = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(log_to, 0o600)  # one of before may be open to others
    os.dup2(log_to, sys.stdout.fileno())
    os.dup2(log_to, sys.stderr.fileno())
    os.close(log_to)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal group: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    named(multiprocessing.current_process().name)
    try:
        if before is not None:
            before()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        target()
    except Exception:
        log.exception("%s stopped by a defect", multiprocessing.current_process().name)
        sys.exit(1)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_S)
    os.kill(os.getpid(), signal.SIGKILL)
