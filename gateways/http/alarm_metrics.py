"""What Prometheus is told of alarms and of stopped signing: as the database has it, the same from every API process."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.ledger import EventStore
from core.ports import Unavailable
from core.signing import Cause
from gateways.http.queries import Queries
from gateways.signing import holding

NAMES_MAX: Final = 1_000
_TOTALS: Final = f"SELECT name, times FROM alarm_totals ORDER BY name LIMIT {NAMES_MAX}"


class AlarmMetrics(Collector):
    """What was last read. Unknown is told as nothing: a counter that falls to 0 would be taken for a restart."""

    def __init__(self) -> None:
        self.totals: Mapping[str, int] = {}
        self.causes: frozenset[Cause] | None = None
        """None while it cannot be read whether signing is stopped."""

    def collect(self) -> Iterator[Metric]:
        alarms = CounterMetricFamily("counterfoil_alarms", "Alarms of all processes, by name", labels=["name"])
        for name, times in self.totals.items():
            alarms.add_metric([name], times)
        yield alarms
        stopped = GaugeMetricFamily(
            "counterfoil_signing_stopped", "1 for each cause that holds signing back now", labels=["cause"]
        )
        for cause in get_args(Cause) if self.causes is not None else ():
            stopped.add_metric([cause], cause in (self.causes or ()))
        yield stopped


async def measure_alarms(alarms: AlarmMetrics, queries: Queries, store: EventStore) -> None:
    """A database that cannot be read leaves both unknown, and the other numbers are told all the same."""
    try:
        alarms.totals = dict(await queries.fetch(_TOTALS))
        alarms.causes = frozenset(each.cause for each in await asyncio.to_thread(holding, store))
    except Unavailable:
        alarms.totals, alarms.causes = {}, None
