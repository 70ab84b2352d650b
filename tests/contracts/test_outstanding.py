"""The port Outstanding: what was told stays until it is recorded."""

from core.ports.queues import Message, Overdue
from tests.contracts.conftest import Backend


def told(number: int) -> Message:
    return Message(body=b"\x00body %d" % number, group=f"group {number % 2}", key=f"confirmed:deposit-{number}:block")


class TestOutstanding:
    def test_what_is_told_is_overdue_at_its_height_and_in_its_order(self, backend: Backend) -> None:
        """Not before; and the order is that of telling, whatever the keys sort like."""
        messages = [told(number) for number in (9, 10, 3)]
        backend.outstanding.keep(messages, due_at=50)
        backend.outstanding.keep([told(1)], due_at=51)
        backend.outstanding.keep([], due_at=1)
        assert backend.outstanding.overdue(49, 10) == []
        assert backend.outstanding.overdue(50, 10) == [Overdue(message, 1) for message in messages]
        assert backend.outstanding.overdue(50, 2) == [Overdue(message, 1) for message in messages[:2]]
        assert len(backend.outstanding.overdue(51, 10)) == 4

    def test_a_repetition_changes_nothing(self, backend: Backend) -> None:
        """A step that fails and runs again keeps the same message once, due when it was due."""
        backend.outstanding.keep([told(1)], due_at=50)
        backend.outstanding.keep([told(1), told(2)], due_at=90)
        assert backend.outstanding.overdue(50, 10) == [Overdue(told(1), 1)]
        assert backend.outstanding.overdue(90, 10) == [Overdue(told(1), 1), Overdue(told(2), 1)]

    def test_what_was_told_again_waits_anew(self, backend: Backend) -> None:
        """It counts how often, and keeps its place."""
        backend.outstanding.keep([told(1), told(2)], due_at=50)
        backend.outstanding.told_again([told(1).key, "unknown"], due_at=130)
        assert backend.outstanding.overdue(129, 10) == [Overdue(told(2), 1)]
        assert backend.outstanding.overdue(130, 10) == [Overdue(told(1), 2), Overdue(told(2), 1)]

    def test_what_is_kept_is_known(self, backend: Backend) -> None:
        """And nothing else is: what was settled, what was never told."""
        backend.outstanding.keep([told(1), told(2)], due_at=50)
        backend.outstanding.settle([told(2).key])
        assert set(backend.outstanding.known([told(number).key for number in (1, 2, 3)])) == {told(1).key}

    def test_what_is_settled_is_gone(self, backend: Backend) -> None:
        """Settling what is unknown, or nothing, changes nothing."""
        backend.outstanding.keep([told(1), told(2)], due_at=50)
        backend.outstanding.settle([told(1).key, "unknown"])
        backend.outstanding.settle([])
        assert backend.outstanding.overdue(50, 10) == [Overdue(told(2), 1)]
