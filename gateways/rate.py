"""A rate limit as a setting writes it: so many requests in a window."""

import re
from typing import Final, NamedTuple

_UNIT_S: Final[dict[str, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 2_592_000,
    "year": 31_104_000,
}
_RATE: Final = re.compile(rf"(\d{{1,12}})\s*(?:/|\s+per\s+)\s*(\d{{1,6}})?\s*({'|'.join(_UNIT_S)})s?")


class Rate(NamedTuple):
    """So many requests in a window of so many seconds; `text` says it in words."""

    requests_max: int
    window_s: int
    text: str


def rate_of(text: str) -> Rate:
    """600/minute, 10 per hour, 100/5 minutes. Raises ValueError."""
    found = _RATE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no rate limit: write it as 600/minute, or 100/5 minutes")
    requests_max, count, unit = int(found[1]), int(found[2] or 1), found[3]
    if requests_max < 1 or count < 1:
        raise ValueError("at least 1 request must be allowed")
    return Rate(requests_max, count * _UNIT_S[unit], f"{requests_max} per {count} {unit}")
