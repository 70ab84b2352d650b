"""Keeps what is in work from being given to somebody else, for adapters whose leases end by time."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.ports.unavailable import Unavailable

log = logging.getLogger(__name__)


@contextmanager
def held(renew: Callable[[], None], every_s: float) -> Iterator[None]:
    """While the block runs, `renew` is called every so often, in a thread of its own. Its defects are raised at the end.

    A renewal that reaches nobody is left out: the lease is several of them long, and what outlives it is only done twice.
    """
    ended = threading.Event()
    defects: list[Exception] = []

    def run() -> None:
        while not ended.wait(every_s):
            try:
                renew()
            except Unavailable as error:
                log.warning("a lease could not be renewed, others may do its work again: %s", error)
            except Exception as error:  # raised below, in the thread whose work it is
                defects.append(error)
                return

    thread = threading.Thread(target=run, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if defects:
        raise defects[0]
