"""What a node claims to be solid, held against what the signatures of its blocks show."""

from scanners.blocks import NodeFault


class SolidNotShown(NodeFault):
    """The node claims a solid height that the signatures of its blocks do not show."""


class Claims:
    """One node's, or whichever is asked: what is confirmed never waits for this, it only names who claims too much."""

    def __init__(self) -> None:
        self._unshown_since: int | None = None
        """The head's height since when more is claimed than shown."""

    def check(self, tip: int, claimed: int, shown: int, seats: int) -> None:
        """Raises SolidNotShown where claims stay above what is shown while every producer had two turns.

        Sooner it may be honest: what is solid stays so when a fork or a vote makes the blocks show less for a round.
        """
        if claimed <= shown:
            self._unshown_since = None
            return
        if self._unshown_since is None or tip < self._unshown_since:
            self._unshown_since = tip
        if tip - self._unshown_since >= 2 * seats:
            self._unshown_since = None
            raise SolidNotShown(
                f"it calls block {claimed} solid, and by its producers' signatures {shown} is: nothing above is confirmed"
            )
