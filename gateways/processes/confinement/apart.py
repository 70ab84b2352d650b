"""Work that is done in a process of its own, which ends with it: what it has read is then in nobody's memory."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

LOOK_S: Final = 0.2
_fork = multiprocessing.get_context("fork")


class Stopped(Exception):
    """The work was ended because the program is told to stop."""


def apart(work: Callable[[], T], stop: threading.Event | None = None) -> T:
    """What `work` returns or raises, done by a fork: called while there is one thread. Raises Stopped once `stop` is set."""
    sys.stdout.flush()
    sys.stderr.flush()
    told, tell = _fork.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        _answer(work, tell)
    tell.close()
    try:
        with told:
            while not told.poll(LOOK_S):
                if stop is not None and stop.is_set():
                    os.kill(pid, signal.SIGKILL)
                    raise Stopped
            done, value = told.recv()
    except EOFError:
        raise RuntimeError("a part of the start ended without a word: look above for why") from None
    finally:
        os.waitpid(pid, 0)
    if not done:
        raise value
    return cast("T", value)


def _answer(work: Callable[[], Any], tell: "Connection[Any, Any]") -> None:
    """Never returns: neither the caller's finally blocks nor its exit handlers are this process' to run."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal group: the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            answer = True, work()
        except Exception as error:
            answer = False, error
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            tell.send(answer)
        except Exception:  # an error that cannot travel says at least what it is
            tell.send((False, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))
    finally:
        os._exit(0)
