"""What clients feel of a rebuild of every view: a steady load of reads beside the process that rebuilds."""

import time
from collections.abc import Callable
from typing import Final

from gateways.postgres.database import Database
from gateways.postgres.roles import PROJECTOR
from gateways.processes.rebuild import connect
from gateways.processes.registry import PROCESSES
from gateways.processes.run import run_with
from gateways.processes.supervisor import Supervisor
from gateways.settings import Settings
from gateways.wiring.opened import open_platform
from projections.rebuild import rebuilds
from projections.views import VIEWS
from tests.bench import load

CONNECTIONS: Final = 8
PAUSE_S: Final = 0.02
LONGEST_S: Final = 240.0


def lines(
    settings: Settings,
    database: Database,
    supervisor: Supervisor,
    url: str,
    read: Callable[[], load.Request],
    seconds: float,
) -> list[str]:
    """Before, and while every view is built, compared and swapped in."""

    def rebuild() -> None:
        with open_platform(settings, PROCESSES["rebuild"].role, database) as opened:
            run_with("rebuild", opened)

    def measure() -> load.Measured:
        return load.measure(url, CONNECTIONS, seconds / 2, read, pause_s=PAUSE_S)

    supervisor.start("rebuild", rebuild)
    measure()
    before = [measure() for _ in range(4)]
    during: list[load.Measured] = []
    with connect(database.role_urls[PROJECTOR]) as conn:
        rebuilds.request(conn, list(VIEWS), "operator:bench")
        began = time.monotonic()
        while time.monotonic() - began < LONGEST_S:
            during.append(measure())
            rows = rebuilds.load(conn, list(VIEWS)).values()
            if not any(row.unfinished for row in rows):
                break
        states = sorted({row.state for row in rebuilds.load(conn, list(VIEWS)).values()})
    quiet, busy = _median([each.p99_ms for each in before]), _median([each.p99_ms for each in during])
    return [
        f"\n{CONNECTIONS} readers while all views are rebuilt, {time.monotonic() - began:.0f} s, then {', '.join(states)}",
        f"  p99 {busy:.1f} ms, without a rebuild {quiet:.1f} ms: {busy / quiet:.2f}x (aim: at most 1.5x)",
        f"  longest {max(each.longest_ms for each in during):.0f} ms (aim: below 100),"
        f" failed {sum(each.failed for each in during)} of {sum(each.rate for each in during) * seconds / 2:,.0f} (aim: 0)",
    ]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
