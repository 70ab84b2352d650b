"""How long a replaced secret is still believed beside its successor."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

Rotating = Callable[[], Sequence[bytes]]
"""The key that is used now, then those that were used before it and still count."""


def rotating(key: bytes | Rotating) -> Rotating:
    """A key that is never replaced is one, too."""
    if isinstance(key, bytes):
        return lambda: (key,)
    return key


ROTATION_OVERLAP: Final = timedelta(hours=24)
"""For so long after a rotation the secret before it signs beside the new one."""
