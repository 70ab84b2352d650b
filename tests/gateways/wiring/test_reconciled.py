"""A reconcile says what it compared, and holds nothing against a chain that is another, or old."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.ledger.books import COLD_WALLET, GAS_WALLET, HOT_WALLET, NETWORK_FEE, PAYIN_WALLETS, SUSPENSE
from core.ledger.journal import check_balanced
from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from core.tron.chain import BlockRef
from gateways.processes.reconcile import EVERY, FIRST, OLD, Hourly
from gateways.tron.node import WrongNetwork
from gateways.wiring import reconciled as module
from gateways.wiring.platform import Platform
from gateways.wiring.reconciled import ChainBehind, Reconciled, reconciled
from projections.audit.on_chain import Difference, OnChain
from projections.audit.proposals import SCAN, proposal_for
from projections.audit.reconcile import Check, Reconciliation

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ADDRESS = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


def platform(*, solid: int, solid_age_s: int = 60, read: int = 100, genesis: str = "ab") -> Platform:
    """An installation of the network "ab" whose history has read solid blocks up to `read`."""
    made_ms = int((NOW.timestamp() - solid_age_s) * 1000)
    node = SimpleNamespace(genesis_id=lambda: genesis, solid=lambda: BlockRef(solid, "cd", "ef", made_ms))
    cursors = SimpleNamespace(load=lambda name: Cursor(0, "ab") if name == "genesis" else Cursor(read, "cd"))
    settings = SimpleNamespace(network="devnet", lag_s_max=60)
    parts = SimpleNamespace(node=node, cursors=cursors, settings=settings, clock=lambda: NOW)
    return cast("Platform", cast("Any", parts))


def found(*differences: str) -> Reconciliation:
    return Reconciliation(7, {}, (Check("ledger = chain", differences),))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books and chain agree, whatever they are."""
    monkeypatch.setattr(module, "look_at_chain", lambda *_: [OnChain("hot", ADDRESS, 101, 0, 0)])
    monkeypatch.setattr(module, "wait_for_ledger", lambda *_: True)
    monkeypatch.setattr(module, "reconcile", lambda *_: found())


def look(at: Platform) -> Reconciled:
    return reconciled(at, cast("Any", None), wait_s=0)


@pytest.mark.usefixtures("compared")
def test_it_says_at_which_block_it_compared_and_how_old_that_was() -> None:
    """A young one needs no words, an old one is warned of."""
    young = look(platform(solid=101))
    assert (young.block, young.age_s, young.notes, young.ok) == (101, 60, (), True)
    [note] = look(platform(solid=101, solid_age_s=600)).notes
    assert note.startswith("the node's newest solid block is 600 s old")


@pytest.mark.usefixtures("compared")
def test_books_are_not_held_against_a_node_of_another_network() -> None:
    """Its block 0 is another: nothing is compared."""
    with pytest.raises(WrongNetwork, match="block 0"):
        look(platform(solid=101, genesis="cd"))


@pytest.mark.usefixtures("compared")
def test_nothing_is_held_against_a_chain_that_is_behind_the_history() -> None:
    """The node has not come to what was read already: it is waited for, and then said."""
    with pytest.raises(ChainBehind, match="solid block is 99, and the history has read 100"):
        look(platform(solid=99))


class Rung:
    """An alarm board that remembers what stands."""

    def __init__(self) -> None:
        self.standing: dict[str, dict[str, str]] = {}

    def __call__(self, name: str, sentence: str) -> None:
        raise AssertionError((name, sentence))

    def begin(self, name: str, about: str, sentence: str) -> None:
        self.standing.setdefault(name, {})[about] = sentence

    def end(self, name: str, about: str) -> None:
        self.standing.get(name, {}).pop(about, None)

    def stand(self, name: str, now: dict[str, str], within: str) -> None:
        self.standing[name] = dict(now)


class Hours:
    """The process' step under a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW
        self.answer: Reconciliation | Unavailable = found()
        self.looks = 0
        self.rung = Rung()
        self.step = Hourly(self._look, lambda: self.now, alarm=self.rung)

    def _look(self) -> Reconciled:
        self.looks += 1
        if isinstance(self.answer, Unavailable):
            raise self.answer
        return Reconciled(self.answer, 101, 60)

    def after(self, passed: timedelta) -> None:
        """The time passes, and what is begun then is ended. Raises what a look does."""
        self.now += passed
        self.step.step()
        while self.step._looking is not None:
            self.step.step()


def test_it_looks_every_hour_and_soon_after_a_start() -> None:
    """Not before: a look reads the whole history."""
    hours = Hours()
    hours.after(timedelta())
    assert hours.looks == 0
    hours.after(FIRST)
    hours.after(EVERY - timedelta(seconds=1))
    assert hours.looks == 1
    hours.after(timedelta(seconds=1))
    assert hours.looks == 2


def test_differences_ring_and_end_with_the_look_that_finds_none() -> None:
    """With position, block and the first of them."""
    hours = Hours()
    hours.answer = found("Hot_Wallet_Asset: the ledger has 1.000000 USDT, the chain 2.000000", "b", "c", "d")
    hours.after(FIRST)
    [said] = hours.rung.standing["reconcile_differs"].values()
    assert said.startswith("position 7, block 101: ledger = chain: Hot_Wallet_Asset: the ledger has 1.000000 USDT")
    assert said.endswith("and 1 more")
    hours.answer = found()
    hours.after(EVERY)
    assert hours.rung.standing["reconcile_differs"] == {}


def test_a_look_that_cannot_be_made_is_made_again_and_rings_when_that_lasts() -> None:
    """It holds nothing and denies nothing; after three hours without one somebody is told, until there is one again."""
    hours = Hours()
    hours.answer = Unavailable("the node does not answer")
    for _ in range(2):
        with pytest.raises(Unavailable):
            hours.after(FIRST)
    assert hours.looks == 2
    with pytest.raises(Unavailable):
        hours.after(OLD)
    assert "no reconcile has ended for 3 hours" in "".join(hours.rung.standing["reconcile_old"].values())
    hours.answer = found()
    hours.after(FIRST)
    hours.after(timedelta(seconds=1))
    assert hours.rung.standing["reconcile_old"] == {}


@pytest.mark.parametrize(
    ("difference", "debited", "credited"),
    [
        (Difference(HOT_WALLET, ADDRESS, "TRX", 5, 1_000_005, 9), HOT_WALLET, SUSPENSE),
        (Difference(GAS_WALLET, ADDRESS, "TRX", 1_000_005, 5, 9), SUSPENSE, GAS_WALLET),
        (Difference(COLD_WALLET, ADDRESS, "TRX", 1_000_005, 5, 9), NETWORK_FEE, COLD_WALLET),
        (Difference(COLD_WALLET, ADDRESS, "USDT", 1_000_005, 5, 9), SUSPENSE, COLD_WALLET),
    ],
)
def test_a_difference_names_the_entry_that_would_explain_it(
    difference: Difference, debited: str, credited: str
) -> None:
    """It balances, is of the amount that differs, and is written as POST /v1/adjustments takes it."""
    proposal = proposal_for(difference)
    check_balanced(proposal.postings)
    assert [(line.account, line.side, line.amount_minor) for line in proposal.postings] == [
        (debited, "debit", 1_000_000),
        (credited, "credit", 1_000_000),
    ]
    assert {line["amount"] for line in proposal.request()["postings"]} == {"1.000000"}
    assert f"1.000000 {difference.currency}" in proposal.sentence
    assert "at block 9" in proposal.reason


def test_what_differs_at_a_deposit_address_is_read_again_not_adjusted() -> None:
    """An entry would move the sum and no address: the transfer itself is missing."""
    proposal = proposal_for(Difference(PAYIN_WALLETS, ADDRESS, "USDT", 0, 2_500_000, 9))
    assert proposal.postings == ()
    assert proposal.command == SCAN
    assert "2.500000 USDT" in proposal.sentence
