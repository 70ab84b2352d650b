"""What is read of a row, and what is set aside: decided by the row alone."""

from datetime import UTC, datetime

import pytest

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger.events import Event, Recorded, UnknownTopic
from core.ledger.history import SetAside, read, stopped
from core.ledger.ledger import Loaded, Past, Refused, Repeated, _decide_one
from core.ledger.refusals import PayoutsFrozen, StreamStopped
from core.ports.unavailable import Unavailable
from core.streams.accounts import AccountRegistered, ChangeAccount, account_stream
from core.streams.payouts import PayoutRefused, RequestPayout
from core.streams.set_aside import (
    AccountPayoutsFrozen,
    AccountPayoutsUnfrozen,
    EventSettled,
    FreezePayouts,
    SettleEvent,
    freeze_stream,
)
from tests.core.record_events import recorded as examples
from tests.support.history import ALICE, order

pytestmark = pytest.mark.fast

AT = '"occurred_at":"2026-11-22T13:00:00Z","actor":"api-key:stranger"'
NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)


def adjustment(*lines: tuple[str, str, int]) -> str:
    postings = ",".join(
        f'{{"book":"{ALICE}","account":"{code}","side":"{side}","amount_minor":{minor},"currency":"USDT"}}'
        for code, side, minor in lines
    )
    return f'{{{AT},"adjustment_id":"1","reason":"x","postings":[{postings}]}}'


@pytest.mark.parametrize(
    ("topic", "state", "why"),
    [
        ("account.renamed/1", f"{{{AT}}}", "account_id"),
        ("account.renamed/1", f'{{{AT},"account_id":"{ALICE}","name":7}}', "name"),
        ("account.renamed/1", "[]", "array"),
        ("account.renamed/1", "no JSON", "malformed"),
        ("account.renamed/1", f'{{{AT},"account_id":"{ALICE}","name":"a\\u0000b"}}', "U+0000"),
        (
            "account.renamed/1",
            f'{{"occurred_at":"2026-11-22T13:00:00","actor":"x","account_id":"{ALICE}","name":"a"}}',
            "zone",
        ),
        ("payout.requested/1", f'{{{AT},"order":[]}}', "TypeError"),
        ("adjustment.posted/1", adjustment(("User_Liability", "credit", 5), ("X", "debit", 4)), "off by"),
        ("adjustment.posted/1", adjustment(("User_Liability", "credit", 10**18), ("X", "debit", 10**18)), "more than"),
        ("adjustment.posted/1", adjustment(("User_Liability", "credit", 2**70), ("X", "debit", 2**70)), ""),
    ],
)
def test_what_cannot_be_read_is_set_aside(topic: str, state: str, why: str) -> None:
    """A row of any form is an event or is set aside with its reason and the accounts that it names; nothing is raised."""
    for form in (state, state.encode()):
        found = read(account_stream(ALICE), topic, form)
        assert isinstance(found, SetAside)
        assert why in found.reason
        assert found.accounts == (ALICE,)


@pytest.mark.parametrize("topic", sorted(examples()))
def test_a_row_without_one_of_its_fields_is_read_or_set_aside(topic: str) -> None:
    """Whichever field a recorded event loses, or has another kind of value in, no reader is stopped."""
    import json

    fields = examples()[topic]
    for name in fields:
        for value in (None, [], {}, "x", -1, 2**80):
            read("x", topic, json.dumps(fields | {name: value}))
        read("x", topic, json.dumps({other: known for other, known in fields.items() if other != name}))


def test_a_topic_of_a_newer_version_is_waited_for() -> None:
    """What this program does not know it does not judge: it waits for the version that does (I22)."""
    with pytest.raises(UnknownTopic):
        read("x", "account.renamed/9", "{}")
    assert issubclass(UnknownTopic, Unavailable)


def past(*events: object) -> Past:
    stream = account_stream(ALICE)
    rows = [
        Recorded(at, stream, at, event if not isinstance(event, str) else read(stream, "account.renamed/1", event))  # type: ignore[arg-type]
        for at, event in enumerate(events, start=1)
    ]
    return Past(Loaded({stream: rows}, {}, len(rows)))


REGISTERED = examples()["account.registered/1"]
JUNK = f"{{{AT}}}"


def test_a_stopped_stream_takes_nothing_until_it_is_settled() -> None:
    """Nothing is decided on a stream that holds what cannot be read; settled, it goes on as if the row were not there."""
    import json

    registered = read(account_stream(ALICE), "account.registered/1", json.dumps(REGISTERED))
    rename = ChangeAccount(account_id=ALICE, actor="operator:a", name="B")
    told = _decide_one(rename, (), past(registered, JUNK), NOW)
    assert told == Refused(StreamStopped(stream=account_stream(ALICE)))
    settled = EventSettled(occurred_at=NOW, actor="operator:a", position=2, reason="x")
    assert not isinstance(_decide_one(rename, (), past(registered, JUNK, settled), NOW), Refused)
    other = EventSettled(occurred_at=NOW, actor="operator:a", position=1, reason="x")
    assert isinstance(_decide_one(rename, (), past(registered, JUNK, other), NOW), Refused)
    assert isinstance(_decide_one(rename, (), past(registered, JUNK, settled, JUNK), NOW), Refused)


def test_settling_is_done_once_and_holds_against_a_late_freeze() -> None:
    """An account that was settled before its freeze came is not frozen by it."""
    settle = SettleEvent(2, account_stream(ALICE), (ALICE,), "adjusted", "operator:a")
    history = past(JUNK, JUNK)
    outcome = _decide_one(settle, (), history, NOW)
    assert not isinstance(outcome, Refused)
    assert stopped(history.history(account_stream(ALICE)))  # position 1 is not settled
    assert isinstance(_decide_one(settle, (), history, NOW), Repeated)
    freeze = FreezePayouts(account_id=ALICE, position=2, stream="x", actor="system:recorder")
    assert freeze.decide(history, NOW) == ()
    assert [it.stream for it in FreezePayouts(ALICE, 1, "x", "system:recorder").decide(history, NOW)] == [
        freeze_stream(ALICE)
    ]


def test_a_frozen_account_pays_nothing_out() -> None:
    """A payout is refused while what was set aside waits, with its own code, and bytes of earlier ones are not made."""
    registered = AccountRegistered(occurred_at=NOW, actor="operator:a", account_id=ALICE, name="A", webhook_url=None)
    frozen = AccountPayoutsFrozen(occurred_at=NOW, actor="system:recorder", account_id=ALICE, position=9, stream="x")
    free = AccountPayoutsUnfrozen(occurred_at=NOW, actor="operator:a", account_id=ALICE, position=9)
    wish = order(ALICE, "wish", 5)

    def looked(*happened: Event) -> Past:
        rows = {account_stream(ALICE): [Recorded(1, account_stream(ALICE), 1, registered)]}
        rows[freeze_stream(ALICE)] = [
            Recorded(at, freeze_stream(ALICE), at - 1, event) for at, event in enumerate(happened, start=2)
        ]
        return Past(Loaded(rows, {}, 1 + len(happened)))

    [refused] = RequestPayout(wish, 1, "api-key:a").decide(looked(frozen), NOW)  # type: ignore[misc]
    assert isinstance(refused.event, PayoutRefused)
    assert refused.event.code == "payouts_frozen"
    assert wish.held(looked(frozen)) == PayoutsFrozen()
    assert wish.held(looked(frozen, free)) is None
