"""How much room the disk of the data folder has."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LOW_RATIO: Final = 0.05
LOW_BYTES: Final = 2 * 2**30
"""Below both a disk is nearly full: below the one alone there may be much, or never more."""


class Room(NamedTuple):
    """Bytes that are left to who is not root, of all."""

    free_bytes: int
    total_bytes: int

    @property
    def is_low(self) -> bool:
        return self.free_bytes < min(LOW_BYTES, self.total_bytes * LOW_RATIO)


def room_of(folder: Path) -> Room | None:
    """None where the folder is not there."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


class DiskGauge(Collector):
    """Of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        room = room_of(self._folder) or Room(0, 0)
        yield GaugeMetricFamily(
            "counterfoil_disk_free_bytes", "Room on the disk of the data folder", value=room.free_bytes
        )
        yield GaugeMetricFamily("counterfoil_disk_bytes", "Size of that disk", value=room.total_bytes)
