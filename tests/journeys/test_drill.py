"""A backup that is some payouts old, restored on another machine: nobody is paid twice, and the books are the chain again."""

import tempfile
from pathlib import Path

from tests.journeys.drill import Drill, play


def test_a_restored_backup_pays_nobody_twice() -> None:
    """Clients repeat everything: on chain each payout once, no address given to two, and what nobody knows is listed."""
    with tempfile.TemporaryDirectory(prefix="cf-drill-") as folder:
        told = play(Drill(payouts=12, lost=6), Path(folder))
    assert told.written_off == 1
    assert told.listed == told.attributed + told.written_off
    assert told.attributed >= 3
