"""What an operator sees of queues, and how what was set aside is sent again."""

from pathlib import Path

import pytest

from core.ports.queues import Message
from gateways.cli.console import Output
from gateways.cli.queue import redrive, show_dead, show_queues
from gateways.postgres.roles import OBSERVER, RECORDER
from gateways.queues import DEPOSIT_EVENTS
from gateways.settings import Settings, load
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from tests.support.postgres import Database


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Two messages on the deposit queue, both set aside."""
    made = load({}, database_url=database.owner_url, data=tmp_path)
    with open_platform(made, OBSERVER) as platform:
        platform.queues[DEPOSIT_EVENTS].send([Message(b'{"number": 1}', "a", "1"), Message(b'{"number": 2}', "b", "2")])
    with open_platform(made, RECORDER) as platform:
        queue = platform.queues[DEPOSIT_EVENTS]
        for each in queue.receive(10):
            queue.bury(each.receipt, f"reason of {each.group}")
    return made


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_dead_letters_are_shown_with_their_reasons(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """How many there are, why each is there and what it says; looking changes nothing."""
    for _ in range(2):
        show_queues(settings, Output())
        [line] = [line for line in shown(capsys).splitlines() if line.startswith(DEPOSIT_EVENTS)]
        assert line.split() == [DEPOSIT_EVENTS, "0", "0", "s", "2"]
        show_dead(settings, DEPOSIT_EVENTS, 10, Output())
        text = shown(capsys)
        assert text.index("reason of a") < text.index('{"number": 1}') < text.index("reason of b")
    show_dead(settings, "project-views", 10, Output())
    assert "project-views has no dead letters" in shown(capsys)


def test_what_is_sent_again_waits_again_and_is_in_the_audit_log(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """One by its id, then all that are left; who did it is kept."""
    with open_platform(settings, RECORDER) as platform:
        queue = platform.queues[DEPOSIT_EVENTS]
        first, _ = queue.dead(10)
        redrive(settings, DEPOSIT_EVENTS, (first.id,), Output())
        assert (queue.depth(), queue.dead_depth()) == (1, 1)
        redrive(settings, DEPOSIT_EVENTS, (), Output())
        assert (queue.depth(), queue.dead_depth()) == (2, 0)
        assert sorted(each.body for each in queue.receive(10)) == [b'{"number": 1}', b'{"number": 2}']
    assert "1 sent again to deposit-events" in shown(capsys)


def test_a_queue_that_is_none_is_refused(settings: Settings) -> None:
    """The sentence names those there are."""
    with pytest.raises(UserError, match=r"there is no queue 'deposits': choose one of deposit-events"):
        show_dead(settings, "deposits", 10, Output())
