"""How far each reader of the history has come."""

from typing import Protocol


class Bookmarks(Protocol):
    """Positions of steps that follow the history and are no projectors."""

    def load(self, name: str) -> int: ...

    def save(self, name: str, position: int) -> None: ...
