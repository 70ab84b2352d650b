"""Keys that may be replaced while they are in use: the newest makes, and those before it are still believed for a while."""

from collections.abc import Callable, Sequence

Rotating = Callable[[], Sequence[bytes]]
"""The key that is used now, then those that were used before it and still count."""


def rotating(key: bytes | Rotating) -> Rotating:
    """A key that is never replaced is one, too."""
    if isinstance(key, bytes):
        return lambda: (key,)
    return key
