"""A process that begins in an outage waits for its end: it is no process that ends again and again."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from core.ports.unavailable import Unavailable
from gateways.processes.run import START_PAUSE_MAX_S, run_patiently
from gateways.settings import load
from gateways.telemetry.life_signs import look_after
from gateways.user_error import NotReady, UserError

pytestmark = pytest.mark.fast


def begun(errors: list[Exception], pulse: Path = Path(), seen: Callable[[], None] = lambda: None) -> list[float]:
    """Such starts, and one that succeeds -> the pauses between them."""
    pauses: list[float] = []

    def attempt() -> None:
        if errors:
            raise errors.pop(0)

    def rest(pause_s: float) -> None:
        pauses.append(pause_s)
        seen()

    run_patiently("sweeps", load({}, pulse=pulse), attempt, rest)
    return pauses


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("the node does not answer"),
        NotReady("there is no wallet yet"),
        psycopg.OperationalError("connection refused"),
        psycopg.errors.CannotConnectNow("the database system is starting up"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_does_not_answer_at_a_start_is_waited_for(error: Exception) -> None:
    """The node, the database, a wallet that somebody has yet to make: it begins when they are there."""
    assert len(begun([error] * 3)) == 3


def test_it_waits_longer_each_time_and_never_very_long() -> None:
    """An outage of an hour costs little, and ends for everybody within seconds."""
    pauses = begun([Unavailable("nobody answers")] * 12)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == START_PAUSE_MAX_S


def test_the_sign_of_life_says_what_a_start_waits_for(tmp_path: Path) -> None:
    """`counterfoil health` and /readyz have its sentence, with the process' name."""
    said: list[list[str]] = []
    begun([Unavailable("the node does not answer")], tmp_path, lambda: said.append(look_after(tmp_path)))
    assert said == [["sweeps cannot begin: the node does not answer"]]


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.UndefinedTable("there is no table"),
        UserError("the keystore is another's"),
        ValueError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_waiting_does_not_mend_ends_it(error: Exception) -> None:
    """A defect, or what a person has to mend: the supervisor tells of it."""
    with pytest.raises(type(error)):
        begun([error])
