"""The chain's state: one flat table at the head, overlays for what is tried, journals for what can be undone.

Nothing is ever copied whole. A block is executed in an Overlay; applying it to the Head gives back the previous values,
which is both how the block is undone and how the state at an older height is read (`Past`). A value of None is absence.
"""

from collections.abc import Sequence
from typing import Any, Protocol

Key = tuple[str | bytes, ...]
"""A table's name, then what identifies the row in it."""

Journal = dict[Key, Any]
"""Key -> the value it had before; None where there was none."""


class State(Protocol):
    """What can be read: the head, the head under changes being tried, or the state as it was."""

    def get(self, key: Key) -> Any: ...


class Head:
    """The state after the newest block."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[Key, Any] = {}

    def get(self, key: Key) -> Any:
        return self._values.get(key)

    def apply(self, changes: Journal) -> Journal:
        """Make the changes; -> the journal that undoes them when applied in turn."""
        values = self._values
        undo: Journal = {}
        for key, value in changes.items():
            undo[key] = values.get(key)
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        return undo


class Overlay:
    """Changes over another state, kept or dropped as one."""

    __slots__ = ("_below", "changes")

    def __init__(self, below: State) -> None:
        self._below = below
        self.changes: Journal = {}

    def get(self, key: Key) -> Any:
        if key in self.changes:
            return self.changes[key]
        return self._below.get(key)

    def set(self, key: Key, value: Any) -> None:
        self.changes[key] = value

    def merge(self, above: "Overlay") -> None:
        """Take over what an overlay on top of this one changed."""
        self.changes.update(above.changes)


class Past:
    """The state before the blocks whose undo journals are given, oldest first."""

    __slots__ = ("_head", "_undone")

    def __init__(self, head: Head, undone: Sequence[Journal]) -> None:
        self._head = head
        self._undone = undone

    def get(self, key: Key) -> Any:
        for journal in self._undone:
            if key in journal:
                return journal[key]
        return self._head.get(key)
