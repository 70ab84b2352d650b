"""UUID version 7 (RFC 9562): milliseconds in front, so that ids sort by the time they were made."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7(now: datetime) -> UUID:
    """A fresh id of this moment."""
    milliseconds = (now - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62))
