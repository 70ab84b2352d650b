"""Keys that cannot sign now, because who holds them does not answer or does not let us: each is tried again, ever less often.

In chain time, so that the same history does the same. While a key cannot sign, hardly anything is prepared for it: bytes that
nobody signs die, and an order would be tried in vain.
"""

from typing import Final, NamedTuple

PAUSE_FIRST_MS: Final = 3_000
PAUSE_MAX_MS: Final = 30_000
"""Between two tries at a key; doubled each time."""
RINGS_AFTER_MS: Final = 60_000


class _Shut(NamedTuple):
    since_ms: int
    pause_ms: int
    again_ms: int
    rung: bool = False


class ShutKeys:
    """By the address of the key."""

    def __init__(self) -> None:
        self._shut: dict[str, _Shut] = {}

    def failed(self, address: str, now_ms: int) -> bool:
        """It could not sign; whether this is to ring: once, when it has lasted for a minute."""
        before = self._shut.get(address)
        if before is None:
            self._shut[address] = _Shut(now_ms, PAUSE_FIRST_MS, now_ms + PAUSE_FIRST_MS)
            return False
        pause_ms = min(2 * before.pause_ms, PAUSE_MAX_MS)
        rings = not before.rung and now_ms - before.since_ms >= RINGS_AFTER_MS
        self._shut[address] = _Shut(before.since_ms, pause_ms, now_ms + pause_ms, before.rung or rings)
        return rings

    def signed(self, address: str) -> None:
        self._shut.pop(address, None)

    def is_shut(self, address: str) -> bool:
        """Whether its last try failed."""
        return address in self._shut

    def rests(self, address: str, now_ms: int) -> bool:
        """Whether it is too early to try it again."""
        shut = self._shut.get(address)
        return shut is not None and now_ms < shut.again_ms

    def since_ms(self, address: str) -> int:
        return self._shut[address].since_ms
