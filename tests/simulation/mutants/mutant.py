"""A defect that is put in on purpose."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec


class Mutant(msgspec.Struct, frozen=True):
    """A defect: classes that take the place of the product's, or a patch of one of its functions."""

    classes: dict[str, type] = {}
    patch: Callable[[], AbstractContextManager[Any]] = nullcontext
    seed: int = 1
    """The seed to begin with: the first that finds it as the simulation is now."""
