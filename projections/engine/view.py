"""What a view is: a name, tables, the events it folds, and how each becomes rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from core.ledger.events import CLASSES, Event, Recorded
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table


class View:
    """Tables that follow from the history alone. Folding the same events in any split gives the same rows (I4)."""

    name: ClassVar[str]
    """Its name in projection_tracking."""
    tables: ClassVar[Sequence[Table[Any]]]
    """Every table of the view, those first that others refer to."""
    events: ClassVar[Collection[type[Event]]]
    """The events it folds; of the others it hears nothing."""

    weight_ns: ClassVar[int] = 1_000
    """What an event of a busy day costs it in a rebuild, indexes included: workers divide the views by it."""
    forbids: ClassVar[Mapping[str, str]] = {}
    """What must hold of a new version before it serves -> a query whose every row is a violation."""

    def open(self, rows: Rows, first: Recorded) -> None:
        """What stands before any event: called once, with the first event of the history."""

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:  # noqa: ARG002
        """Rows that the fold will look at: a batch reads them with one statement. Those it forgets are read one by one."""
        return ()

    def fold(self, rows: Rows, record: Recorded) -> None:
        """What the event does to the rows. No clock, no I/O: `rows` is all there is."""
        raise NotImplementedError


def events_with_postings() -> frozenset[type[Event]]:
    """Every event that moves money."""
    return frozenset(kind for kind in CLASSES.values() if "postings" in kind.__struct_fields__)
