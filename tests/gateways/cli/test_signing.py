"""What the operator is told about stopped signing, and what his word does."""

import pytest

from core.ledger.ledger import Ledger
from core.streams.notices import Kind, Notice, RecordNotice
from core.streams.signing import SIGNING, SigningResumed
from gateways.cli.signing import resume
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import API, RECORDER
from gateways.user_error import UserError
from projections.explain.signing import holding
from tests.support.history import ACTOR, TickingClock, execute
from tests.support.memory import MemoryStore
from tests.support.postgres import Database


def seen(kind: Kind, name: str) -> RecordNotice:
    return RecordNotice(Notice(kind, name * 32, 0, 7, "cd" * 32, 1), None, ACTOR)


@pytest.mark.fast
def test_every_cause_is_shown_with_its_meaning_and_place() -> None:
    """The oldest first, each with the event that shows it; nothing is shown when nothing holds."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    assert holding(store) == []
    execute(ledger, seen("token_paused", "aa"), seen("token_deprecated", "bb"))
    paused, deprecated = holding(store)
    assert (paused.cause, paused.stream) == ("token_paused", f"token-{'aa' * 32}-0")
    assert paused.since == store.events[0].event.occurred_at
    assert deprecated.sentence.startswith("The issuer moved the token to another contract")
    assert "bb" * 32 in deprecated.sentence


@pytest.mark.fast
def test_resuming_needs_a_cause_and_a_reason() -> None:
    """An empty reason and a resume of what is not stopped are refused; a given reason is kept."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    with pytest.raises(UserError, match="not stopped"):
        resume(ledger, store, "looked", "operator:1")
    execute(ledger, seen("token_paused", "aa"))
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(UserError, match="say why"):
            resume(ledger, store, reason, "operator:1")
    assert resume(ledger, store, " issuer says it is over ", "operator:1") == ("token_paused",)
    assert holding(store) == []
    resumed = store.histories([SIGNING])[SIGNING][-1].event
    assert isinstance(resumed, SigningResumed)
    assert (resumed.reason, resumed.actor) == ("issuer says it is over", "operator:1")


def test_the_recorder_stops_and_the_operators_login_resumes(database: Database) -> None:
    """Each with the database role of its process, and neither needs the other's rights (I14)."""
    recorder, operator = (PostgresEventStore(datastore(database.role_urls[role])) for role in (RECORDER, API))
    try:
        execute(Ledger(recorder, TickingClock()), seen("token_paused", "aa"))
        assert [each.cause for each in holding(operator)] == ["token_paused"]
        assert resume(Ledger(operator, TickingClock()), operator, "looked", "operator:1") == ("token_paused",)
        assert holding(recorder) == []
        execute(Ledger(recorder, TickingClock()), seen("token_deprecated", "bb"))
    finally:
        recorder.close()
        operator.close()
