"""Reports become events once; what is not to be believed or cannot be recorded is set aside with its reason."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from core.ledger.guard import GuardKey
from core.ledger.ledger import Decided, Loaded
from core.ports.queues import Message
from core.ports.unavailable import Unavailable
from core.streams.addresses import RequestPayin
from core.streams.deposits import TransferFact, deposit_stream
from scanners import facts
from scanners.facts import Report
from scanners.recorder import DEFECTS_MAX
from tests.scanners.world import ACCOUNT, KEY, SPARE, US, World
from tests.support.chain import person

pytestmark = pytest.mark.fast


def fact(number: int = 1, **changes: Any) -> TransferFact:
    known = TransferFact(
        txid=f"{number:064x}",
        log_index=0,
        from_address=person(1).base58,
        to_address=US.base58,
        amount_minor=5,
        currency="USDT",
        wallet="payin",
        block_number=7,
        block_id="cd" * 32,
        block_timestamp_ms=1_700_000_000_000,
    )
    return msgspec.structs.replace(known, **changes)


def send(world: World, *reports: Report) -> None:
    messages = [facts.message(report, KEY) for report in reports]
    world.outstanding.keep(messages, due_at=10**9)
    world.queue.send(messages)


def test_a_report_given_twice_is_recorded_once() -> None:
    """Any report again, in the same batch or a later one, adds no event."""
    world = World()
    for _ in range(2):
        for kind in ("detected", "confirmed", "detected", "confirmed"):
            world.queue.keys.clear()
            send(world, Report(kind, fact()))
        world.recorder.step()
    assert world.story(fact().txid) == ["Detected", "Confirmed"]
    assert world.balance() == 5
    assert world.queue.depth() == 0


def test_many_receives_are_one_append(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that took thirty receives are appended in one batch."""
    world = World()
    appends: list[None] = []
    append, receive = world.store.append, world.queue.receive
    monkeypatch.setattr(world.store, "append", lambda *batch: appends.append(append(*batch)))
    monkeypatch.setattr(world.queue, "receive", lambda limit: receive(10))
    strangers = (fact(number, to_address=person(100 + number).base58) for number in range(300))
    send(world, *(Report("confirmed", each) for each in strangers))
    assert world.recorder.step()
    assert world.queue.depth() == 0
    assert len(appends) == 1


def test_a_forged_report_credits_nobody() -> None:
    """A report that the observer did not seal is buried with its reason, rings an alarm, and moves no money (I14)."""
    world = World()
    forged = facts.message(Report("confirmed", fact(amount_minor=10**15)), b"somebody else's")
    world.queue.send([forged, facts.message(Report("confirmed", fact(2)), KEY)])
    while world.recorder.step():
        pass
    assert world.balance() == 5
    [(body, reason)] = world.queue.buried
    assert body == forged.body
    assert "proof" in reason
    assert [name for name, _ in world.alarms] == ["deposit_fact_forged"]


def test_other_facts_under_a_known_name_are_an_alarm() -> None:
    """The same transfer with another amount is buried and rings, and changes nothing."""
    world = World()
    send(world, Report("confirmed", fact()))
    world.recorder.step()
    send(world, Report("confirmed", fact(amount_minor=6, block_id="ef" * 32)))
    world.recorder.step()
    assert world.balance() == 5
    assert [name for name, _ in world.alarms] == ["deposit_facts_conflict"]
    assert len(world.queue.buried) == 1


def test_an_address_assigned_meanwhile_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the address is assigned between the look and the append, the report comes again and credits the client."""
    world = World()
    spare = fact(to_address=SPARE.base58)
    send(world, Report("confirmed", spare))
    monkeypatch.setattr(world.recorder, "_owners", _assigning(world, world.recorder._owners))
    world.recorder.step()
    assert world.status(spare.txid) == "absent"
    world.recorder.step()
    assert (world.status(spare.txid), world.balance()) == ("confirmed", 5)


def _assigning(world: World, look: Callable[[Sequence[str]], Any]) -> Callable[[Sequence[str]], Any]:
    """Somebody is given the spare address right behind the first look."""

    def owners(addresses: Sequence[str]) -> Any:
        seen = look(addresses)
        request = RequestPayin("p2", ACCOUNT, SPARE.base58, SPARE.hex(), "key", "User_Liability", None, "operator:test")
        world.ledger.execute([request])
        return seen

    return owners


def test_an_unavailable_store_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store is shut nothing is deleted, and the reports can be received again at once."""
    world = World()
    send(world, Report("confirmed", fact()))

    def shut(batch: UUID, streams: Any, guards: Sequence[GuardKey], decide: Callable[[Loaded], Decided]) -> None:
        raise Unavailable("the store is shut")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "append", shut)
        with pytest.raises(Unavailable):
            world.recorder.step()
    assert world.recorder.step()
    assert world.balance() == 5


def test_a_database_that_shuts_behind_the_commit_gives_reports_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded but not settled can be received again at once: what stands behind it in its group need not wait."""
    world = World()
    send(world, Report("confirmed", fact()))

    def shut(keys: Sequence[str]) -> None:
        raise Unavailable("the database is shut")

    with monkeypatch.context() as patch:
        patch.setattr(world.outstanding, "settle", shut)
        with pytest.raises(Unavailable):
            world.recorder.step()
    assert world.balance() == 5
    assert world.recorder.step()
    assert (world.balance(), world.queue.depth()) == (5, 0)


def test_a_report_that_always_fails_is_buried_at_last() -> None:
    """A report that meets a defect is tried again a few times, then buried; its neighbours are recorded."""
    world = World()
    broken = Report("confirmed", fact(2, wallet="no such role", to_address=person(30).base58))
    send(world, broken, Report("confirmed", fact()))
    for attempt in range(DEFECTS_MAX):
        assert not world.queue.buried, attempt
        world.recorder.step()
        world.queue.timeout()
    assert world.balance() == 5
    [(_, reason)] = world.queue.buried
    assert f"failed {DEFECTS_MAX} times" in reason
    assert world.queue.depth() == 0


def test_a_report_whose_turn_found_the_store_shut_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is halved for a defective report and the store shuts before the other half: that one waits, unharmed."""
    world = World()
    broken, good = Report("confirmed", fact(2, wallet="no such role", to_address=person(30).base58)), fact()
    send(world, broken, Report("confirmed", good))
    append = world.store.append

    def shut(batch: UUID, streams: Sequence[str], *rest: Any) -> None:
        if streams[0] == deposit_stream(good.txid, good.log_index):
            raise Unavailable("the store is shut")
        append(batch, streams, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "append", shut)
        for _ in range(DEFECTS_MAX):
            assert world.recorder.step()
            world.queue.timeout()
        with pytest.raises(Unavailable):
            world.recorder.step()
    assert ["no such role" in reason for _, reason in world.queue.buried] == [True]
    assert not any(good.txid in sentence for _, sentence in world.alarms)
    assert world.recorder.step()
    assert (world.status(good.txid), world.balance()) == ("confirmed", 5)


def test_a_shut_store_counts_nothing_towards_a_burial(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a report came again because the store was shut, it is buried only after as many defects as ever."""
    world = World()
    send(world, Report("confirmed", fact(wallet="no such role", to_address=person(30).base58)))

    def shut(*batch: Any) -> None:
        raise Unavailable("the store is shut")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "append", shut)
        for _ in range(3 * DEFECTS_MAX):
            with pytest.raises(Unavailable):
                world.recorder.step()
    for _ in range(DEFECTS_MAX):
        assert world.queue.buried == []
        world.recorder.step()
        world.queue.timeout()
    assert len(world.queue.buried) == 1


def test_an_empty_queue_is_no_work() -> None:
    """Without reports a step does nothing and says so."""
    world = World()
    assert not world.recorder.step()
    world.queue.send([Message(b"rubbish", "g", "k")])
    assert world.recorder.step()
    assert not world.recorder.step()
