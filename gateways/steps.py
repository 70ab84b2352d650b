"""A step: one bounded piece of work. It says whether there was any, and knows no time and no thread."""

from collections.abc import Callable

Worked = bool | float
"""Whether there may be more to do. A float: there is, after so many seconds, because others come first."""
Step = Callable[[], Worked]
"""One bounded piece of work."""


def pause_of(worked: Worked) -> float:
    """The seconds for which a step asked to be left alone; 0 where it did not."""
    return worked if isinstance(worked, float) else 0.0
