"""Waiting for what another thread, process or server does: for the thing itself, however slow the machine is.

A test is about what happens and never about how soon. HANG_S is the one limit: longer than anything takes on a machine that
is busy with other work, so that whoever reaches it has found something that hangs.
"""

import time
from collections.abc import Callable
from typing import Any, Final

HANG_S: Final = 300.0
_POLL_FIRST_S: Final = 0.002
_POLL_MAX_S: Final = 0.03


def until(holds: Callable[[], Any], what: str = "") -> Any:
    """The first true value of `holds`. An AssertionError that says `what` did not happen when something hangs."""
    poll_s, hangs_at = _POLL_FIRST_S, time.monotonic() + HANG_S
    while True:
        if found := holds():
            return found
        assert time.monotonic() < hangs_at, f"{what or holds} did not happen within {HANG_S:.0f} s"
        time.sleep(poll_s)
        poll_s = min(poll_s * 1.3, _POLL_MAX_S)
