"""How much of its time a rebuild takes, so that clients do not feel it.

Who serves clients publishes, twice a second, how long its requests took. A rebuild listens while it rests, works, compares, and
takes less when requests became slower, more when they did not. Nobody served: it takes all.
"""

from typing import Final, NamedTuple

LISTEN_S: Final = 2.0
LISTEN_EVERY_S: Final = 20.0
SLOWER_MAX: Final = 1.25
"""Requests may take so much longer than while the rebuild rests."""
NOISE_MS: Final = 0.5
SHARE_MIN: Final = 0.02
STALE_S: Final = 3.0
"""What was published longer ago than this says nothing: there are no requests."""
_LESS: Final = 0.6
_MORE: Final = 1.15


class Latency(NamedTuple):
    """The slow end of the requests of one moment: 19 of 20 took no longer than `p95_ms`. `at_s` is when it was published."""

    at_s: float
    p95_ms: float


class RebuildPace:
    """`share` is the part of the time that may be worked; `rests` while it listens."""

    def __init__(self) -> None:
        self.share = 1.0
        self.rests = False
        self._listening_since: float | None = None
        self._listened_at: float | None = None
        self._quiet: list[float] = []
        self._quiet_ms: float | None = None
        self._last_s = -1.0

    def hear(self, latest: Latency | None, now_s: float) -> None:
        """Take note of the last published latency, if there was one lately."""
        if latest is None or now_s - latest.at_s > STALE_S:
            self.__init__()  # type: ignore[misc]
            return
        due = self._listened_at is None or now_s - self._listened_at > LISTEN_EVERY_S
        if self._listening_since is None and due:
            self._listening_since, self._quiet, self.rests = now_s, [], True
        if latest.at_s == self._last_s:
            return
        self._last_s = latest.at_s
        if self._listening_since is not None:
            self._listen(latest, now_s)
        elif self._quiet_ms is not None:
            slower = latest.p95_ms > SLOWER_MAX * self._quiet_ms + NOISE_MS
            self.share = max(SHARE_MIN, _LESS * self.share) if slower else min(1.0, _MORE * self.share)

    def _listen(self, latest: Latency, now_s: float) -> None:
        """What is published now is of requests that nothing disturbed, but for the first, which began before."""
        assert self._listening_since is not None
        if latest.at_s - self._listening_since > LISTEN_S / 4:
            self._quiet.append(latest.p95_ms)
        if now_s - self._listening_since >= LISTEN_S and self._quiet:
            self._quiet_ms = sorted(self._quiet)[len(self._quiet) // 2]
            if self._listened_at is None:
                self.share = min(self.share, 0.25)  # begin gently where clients are served
            self._listening_since, self._listened_at, self.rests = None, now_s, False

    def rest_s(self, worked_s: float) -> float:
        """How long to rest after so much work."""
        return worked_s * (1 - self.share) / self.share
