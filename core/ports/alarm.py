"""How anything rings for a person."""

from collections.abc import Callable

Alarm = Callable[[str, str], None]
"""(name, sentence): something that a person must look at; counted by name."""
