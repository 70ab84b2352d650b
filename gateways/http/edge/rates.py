"""How often a key may ask, and how often an address may try keys that do not exist; and the headers that tell how much is left.

RateLimit and RateLimit-Policy are as draft-ietf-httpapi-ratelimit-headers-11 has them.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from core.ports.clients import ApiKey
from gateways.http.errors import RateLimited, RequestRefused, WrongKeysLimited
from gateways.http.peers import group
from gateways.rate import rate_of
from gateways.user_error import UserError

WRONG_KEYS: Final = "60/minute"
"""From one address: a look-up of each costs us a read, and who holds a key needs a few 401s to see that it is the old one."""
COUNTED_MAX: Final = 100_000
"""Names counted at once; those beyond share one count, so that strangers cannot fill the memory."""
_OTHERS: Final = "others"


class Count(NamedTuple):
    """Where somebody stands in the window that runs."""

    policy: str
    quota: int
    window_s: int
    used: int
    left_s: int

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        left = max(0, self.quota - self.used)
        return (
            (b"ratelimit-policy", f'"{self.policy}";q={self.quota};w={self.window_s}'.encode()),
            (b"ratelimit", f'"{self.policy}";r={left};t={self.left_s}'.encode()),
        )


class Window:
    """Counts by name, all forgotten together at the window's end. In this process."""

    def __init__(self, policy: str, rate: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ValueError for what is no rate."""
        self._policy = policy
        self._rate = rate_of(rate)
        self._clock = clock
        self._ends_at = 0.0
        self._used: dict[str, int] = {}

    @property
    def text(self) -> str:
        return self._rate.text

    def count(self, name: str, weight: int = 1) -> Count:
        """Where `name` stands once `weight` is added to what it used."""
        now = self._clock()
        if now >= self._ends_at:
            self._ends_at = now + self._rate.window_s
            self._used.clear()
        if name not in self._used and len(self._used) >= COUNTED_MAX:
            name = _OTHERS
        used = self._used.get(name, 0) + weight
        if weight:
            self._used[name] = used
        left_s = int(self._ends_at - now) + 1
        return Count(self._policy, self._rate.requests_max, int(self._rate.window_s), used, left_s)


class RateLimiter:
    """So many requests per API key and window."""

    def __init__(self, rate: str) -> None:
        try:
            self._window = Window("api-key", rate)
        except ValueError as error:
            raise UserError(f'COUNTERFOIL_RATE_LIMIT is "{rate}": write it as 600/minute') from error

    def count(self, caller: ApiKey) -> Count:
        """One request more."""
        return self._window.count(caller.id)

    def count_all(self, caller: ApiKey, more: int) -> Count:
        """So many more, or none of them. Raises RequestRefused (429)."""
        count = self._window.count(caller.id, more)
        if count.used > count.quota:
            self._window.count(caller.id, -more)
        self.must_be_within(count)
        return count

    def must_be_within(self, count: Count) -> None:
        """Raises RequestRefused (429) with the seconds to wait."""
        if count.used > count.quota:
            headers = {"retry-after": str(count.left_s)}
            raise RequestRefused(RateLimited(limit=self._window.text), headers=headers)


class WrongKeys:
    """So many unknown keys per address and window; then only keys that were good before are looked up for it."""

    def __init__(self, rate: str = WRONG_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = Window("wrong-keys", rate, clock)

    def count(self, address: str | None, *, wrong: bool = False) -> Count:
        """How many came from there; `wrong` is one more."""
        return self._window.count(group(address), int(wrong))

    def must_be_within(self, count: Count) -> None:
        """Raises RequestRefused (429) before a look-up is made."""
        if count.used >= count.quota:
            headers = {"retry-after": str(count.left_s)}
            raise RequestRefused(WrongKeysLimited(limit=self._window.text), headers=headers)
