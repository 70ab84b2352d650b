"""What a view is: a name, tables, and how events become their rows."""

from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import Cursor

from core.events import Recorded


class View(Protocol):
    """Tables that follow from the history. Applying the same events in any split gives the same rows (I4)."""

    @property
    def name(self) -> str:
        """Its name in projection_tracking and on its queue, project-{name}."""

    @property
    def tables(self) -> Sequence[str]:
        """Every table of the view, those first that others refer to."""

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        """Fold the events into the rows. No clock, no commit, and no I/O but the cursor's, which gives tuples."""
