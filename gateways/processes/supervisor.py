"""Runs every process of one machine: starts them, restarts what was killed, stops them in order.

Children are forked from one warm parent, so that they start in milliseconds and share its memory. They end with their
parent, even when it is killed.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

RESTARTS_MAX: Final = 5
RESTART_WINDOW_S: Final = 60.0
STOP_S: Final = 15.0

log = logging.getLogger(__name__)
_fork = multiprocessing.get_context("fork")


class Child:
    """One supervised process."""

    def __init__(self, name: str, target: Callable[[], None], log_file: Path) -> None:
        self.name = name
        self._target = target
        self._log_file = log_file
        self._starts: deque[float] = deque(maxlen=RESTARTS_MAX + 1)
        self.given_up = False
        self._process = self._start()

    def _start(self) -> "multiprocessing.context.ForkProcess":
        self._starts.append(time.monotonic())
        process = _fork.Process(target=_run_child, args=(self._target, os.getpid(), self._log_file), name=self.name)
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
        """Start again what ended; one that ends all the time stays down, and the others go on."""
        if len(self._starts) > RESTARTS_MAX and time.monotonic() - self._starts[0] < RESTART_WINDOW_S:
            self.given_up = True
            log.error("ALARM process_down: %s ended %d times within a minute and stays down", self.name, RESTARTS_MAX)
            return
        log.warning("%s ended with %s: starting it again", self.name, self.exitcode)
        self._process = self._start()

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

    def __init__(self, logs: Path) -> None:
        self.children: dict[str, Child] = {}
        self._logs = logs

    def start(self, name: str, target: Callable[[], None]) -> Child:
        self._logs.mkdir(parents=True, exist_ok=True)
        child = Child(name, target, self._logs / f"{name}.log")
        self.children[name] = child
        return child

    def watch(self, stop: threading.Event) -> None:
        """Until `stop`: restart what ends."""
        while not stop.wait(0.2):
            for child in self.children.values():
                if not (child.alive or child.given_up or stop.is_set()):
                    child.revive()

    def stop(self) -> None:
        for child in reversed(self.children.values()):
            child.stop()
        deadline = time.monotonic() + STOP_S
        for child in reversed(self.children.values()):
            child.join(max(0.1, deadline - time.monotonic()))


def _run_child(target: Callable[[], None], parent: int, log_file: Path) -> None:
    with log_file.open("ab") as log_to:
        os.dup2(log_to.fileno(), sys.stdout.fileno())
        os.dup2(log_to.fileno(), sys.stderr.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal group: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
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
