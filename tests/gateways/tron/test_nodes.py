"""Several nodes behind one port: one per step, failing ones rest, bytes go to all, and what is final is said by two."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from core.ports.chain import Disagreement
from core.ports.unavailable import Unavailable
from core.tron.chain import BlockRef, BroadcastAnswer, Producer
from gateways import settings
from gateways.settings import InvalidSettings
from gateways.tron.node import Suspended
from gateways.tron.nodes import Nodes
from gateways.tron.roster import BLOCK_S, FAULT_REST_FIRST_S, LAG_S_MAX, REST_FIRST_S, REST_MAX_S, SURVEY_S
from scanners.blocks import InvalidBlock
from tests.support.chain import SOLID_LAG, MemoryChain, person, usdt_transfer

pytestmark = pytest.mark.fast

TXID = "ab" * 32
NAMES = ("first", "second", "third")


class Scripted:
    """A node on a chain: what `answers` has is said instead, what `down` says is raised; `asked` keeps the questions."""

    def __init__(self, chain: MemoryChain, diary: list[str], name: str) -> None:
        self.chain = chain
        self.diary = diary
        self.name = name
        self.answers: dict[str, Callable[..., Any]] = {}
        self.down: Unavailable | None = None

    def __getattr__(self, method: str) -> Any:
        def answer(*asked: Any, **named: Any) -> Any:
            self.diary.append(f"{self.name} {method}")
            if self.down is not None:
                raise self.down
            return (self.answers.get(method) or getattr(self.chain, method))(*asked, **named)

        return answer


class Standing(NamedTuple):
    """How a node has been: failures and faults in a row, and for how long it will not be asked first."""

    name: str
    failures: int
    faults: int
    rests_s: float


class Net:
    """Nodes of one chain, and a clock turned by hand."""

    def __init__(self, count: int = 3) -> None:
        self.now = 0.0
        self.chain = MemoryChain()
        self.chain.mine(usdt_transfer(1, person(10), 5), blocks=SOLID_LAG + 5)
        self.diary: list[str] = []
        self.alarms: list[str] = []
        self.by_name = {name: Scripted(self.chain, self.diary, name) for name in NAMES[:count]}
        self.nodes = Nodes(
            self.by_name,
            alarm=lambda name, sentence: self.alarms.append(f"{name} {sentence.split(':')[0]}"),
            monotonic=lambda: self.now,
        )

    def standing(self) -> list[Standing]:
        members = self.nodes._roster.members
        return [
            Standing(each.name, each.failures, each.faults, max(0.0, each.rests_until - self.now)) for each in members
        ]

    def met(self) -> "Net":
        """Every node was asked once."""
        self.nodes.on_one(lambda: True)()
        return self

    def __getitem__(self, name: str) -> Scripted:
        return self.by_name[name]

    def used(self) -> str:
        """Which node is asked for the head now."""
        self.diary.clear()
        self.nodes.head()
        return self.diary[-1].split()[0]


def test_the_node_in_use_stays_in_use() -> None:
    """Questions go to the preferred node as long as it answers."""
    net = Net()
    assert {net.used() for _ in range(5)} == {"first"}


def test_a_failure_moves_the_next_question_on() -> None:
    """A silent node's failure is raised as it is; the next question goes to another node, and stays there."""
    net = Net().met()
    net["first"].down = Unavailable("silence")
    with pytest.raises(Unavailable, match="silence"):
        net.nodes.head()
    assert net.used() == "second"
    net["first"].down = None
    net.now += REST_MAX_S
    assert net.used() == "second"


def test_a_step_stays_with_its_node() -> None:
    """Within a step every question goes to one node, also after it failed; the head and the look are never two nodes'."""
    net = Net()
    with net.nodes.pinned():
        net.nodes.solid()
        net["first"].down = Unavailable("silence")
        for ask in (net.nodes.head, lambda: net.nodes.receipt(TXID), net.nodes.chain_parameters):
            with pytest.raises(Unavailable, match="silence"):
                ask()
        assert {line.split()[0] for line in net.diary[-4:]} == {"first"}
    net.diary.clear()
    net.nodes.on_one(lambda: bool(net.nodes.solid() and net.nodes.head()))()
    assert [line for line in net.diary if not line.endswith("genesis_id")] == ["second solid", "second head"]


def test_a_fault_that_leaves_the_step_is_held_against_its_node() -> None:
    """What a scanner finds false is counted by its name against the node of that step, which rests."""
    net = Net()

    def step() -> bool:
        net.nodes.solid()
        raise InvalidBlock("the block is not its id")

    with pytest.raises(InvalidBlock):
        net.nodes.on_one(step)()
    assert net.alarms == ["invalid_block first"]
    first = net.standing()[0]
    assert (first.name, first.faults, first.rests_s) == ("first", 1, FAULT_REST_FIRST_S)
    assert net.used() == "second"


def test_rests_grow_and_end_with_a_good_answer() -> None:
    """Each failure in a row doubles the rest up to its bound; an answer forgets them."""
    net = Net(2).met()
    rests = []
    net["first"].down = net["second"].down = Unavailable("silence")
    for _ in range(20):
        with pytest.raises(Unavailable):
            net.nodes.head()
        rests.append(max(standing.rests_s for standing in net.standing()))
        net.now += REST_MAX_S
    assert rests[0] == REST_FIRST_S
    assert rests == sorted(rests)
    assert rests[-1] == REST_MAX_S
    net["first"].down = net["second"].down = None
    for _ in range(2):
        net.now += REST_MAX_S
        net.nodes.head()
    assert min(standing.failures for standing in net.standing()) == 0


def test_a_suspension_lasts_as_long_as_the_node_says() -> None:
    """After 429 or 403 the node is left alone for the time it names (FAILURES 6)."""
    net = Net(2).met()
    net["first"].down = Suspended("the key exceeds the frequency limit", 27)
    with pytest.raises(Suspended):
        net.nodes.head()
    assert net.standing()[0].rests_s == 27
    net["first"].down = None
    assert net.used() == "second"


def test_when_all_rest_the_one_that_is_well_first_is_asked() -> None:
    """There is always a node to ask: a rest is a preference, no refusal."""
    net = Net(2).met()
    for name, seconds in (("first", 100.0), ("second", 50.0)):
        net[name].down = Suspended("too much", seconds)
        with pytest.raises(Suspended):
            net.nodes.head()
        net[name].down = None
    assert net.used() == "second"


def test_a_node_of_another_network_is_never_asked() -> None:
    """A node whose block 0 differs is named, and neither asked, nor sent to, nor counted as a second opinion."""
    net = Net(2)
    net["second"].answers["genesis_id"] = lambda: "00" * 32
    net.nodes.on_one(lambda: True)()
    assert net.alarms == ["other_network second"]
    net["first"].down = Unavailable("silence")
    for _ in range(3):
        net.now += REST_MAX_S
        with pytest.raises(Unavailable, match="silence"):
            net.nodes.head()
    net["first"].down = None
    with pytest.raises(Unavailable, match="no second node"):
        net.nodes.agree_on_solid(1)
    assert not [line for line in net.diary if line.startswith("second") and not line.endswith("genesis_id")][1:]


def test_who_lags_is_left() -> None:
    """A node whose head is more than a minute behind the others' rests; a step begins elsewhere."""
    net = Net()
    behind = net.chain.head()
    net["first"].answers["head"] = lambda: behind
    net.chain.mine(blocks=LAG_S_MAX // BLOCK_S)
    net.nodes.on_one(lambda: True)()
    assert net.alarms == []
    net.chain.mine()
    net.now += SURVEY_S
    net.nodes.on_one(lambda: True)()
    assert net.alarms == ["lagging first"]
    assert net.used() == "second"


def test_one_of_three_cannot_make_the_others_lag() -> None:
    """A head that only one node claims moves nobody."""
    net = Net()
    far = BlockRef(10**9, "00" * 32, "00" * 32, 0)
    net["third"].answers["head"] = lambda: far
    net.nodes.on_one(lambda: True)()
    assert net.alarms == []


YES, NO, MAYBE = (
    BroadcastAnswer("accepted"),
    BroadcastAnswer("refused", "SIGERROR"),
    BroadcastAnswer("unclear", "OTHER"),
)
SILENT = BroadcastAnswer("unclear", "NO_ANSWER")
SHUT = None


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ((YES, YES, YES), "accepted"),
        ((NO, NO, YES), "accepted"),
        ((MAYBE, SILENT, YES), "accepted"),
        ((SHUT, SHUT, YES), "accepted"),
        ((NO, NO, NO), "refused"),
        ((NO, SHUT, NO), "refused"),
        ((NO, MAYBE, NO), "unclear"),
        ((NO, NO, SILENT), "unclear"),
        ((SHUT, SILENT, NO), "unclear"),
        ((SHUT, SHUT, SHUT), None),
    ],
)
def test_bytes_are_sent_to_every_node(answers: tuple[BroadcastAnswer | None, ...], verdict: str | None) -> None:
    """Accepted if one accepts, refused only if all that took the bytes refuse, else maybe sent."""
    net = Net()
    for node, answer in zip(net.by_name.values(), answers, strict=True):

        def broadcast(signed: bytes, answer: BroadcastAnswer | None = answer) -> BroadcastAnswer:
            if answer is None:
                raise Unavailable("it takes no connection")
            return answer

        node.answers["broadcast"] = broadcast
    if verdict is None:
        with pytest.raises(Unavailable, match="no node takes the transaction"):
            net.nodes.broadcast(b"signed")
    else:
        assert net.nodes.broadcast(b"signed").verdict == verdict
    assert [line for line in net.diary if line.endswith("broadcast")] == [f"{name} broadcast" for name in NAMES]
    failing = [standing.failures > 0 for standing in net.standing()]
    assert failing == [answer in (SHUT, SILENT) for answer in answers]


def test_a_resting_node_is_sent_nothing() -> None:
    """Bytes go to the nodes that are well; the others would only make everybody wait."""
    net = Net(2)
    net["second"].answers["broadcast"] = lambda signed: SILENT
    net["first"].answers["broadcast"] = lambda signed: YES
    net.nodes.broadcast(b"signed")
    net.diary.clear()
    net.nodes.broadcast(b"signed")
    assert net.diary == ["first broadcast"]


def test_two_agree_on_a_solid_block() -> None:
    """The id is the one that two nodes state; a third that says otherwise is named; with two apart there is none."""
    net = Net()
    truth = net.chain.blocks[3].ref.block_id
    net["first"].answers["solid_block"] = lambda number: net.chain.blocks[number + 1]
    assert net.nodes.agree_on_solid(3) == truth
    assert net.alarms == ["contradicted first"]
    net["third"].down = Unavailable("silence")
    with pytest.raises(Disagreement):
        net.nodes.agree_on_solid(3)
    assert net.alarms[-1].startswith("disagreement")
    net["second"].down = Unavailable("silence")
    with pytest.raises(Unavailable, match="no second node"):
        net.nodes.agree_on_solid(3)


def test_a_second_node_that_is_not_there_yet_has_no_vote() -> None:
    """A node that does not have the block yet contradicts nobody: it is waited for, and not blamed."""
    net = Net(2)
    net["second"].answers["solid_receipts"] = lambda number: []
    with pytest.raises(
        Unavailable, match=r"no second node can say yet: the receipts of block 1 \(second does not have it\)"
    ):
        net.nodes.agree_on_receipts(1, net.chain.receipts(1))
    assert net.alarms == []
    assert [standing.failures for standing in net.standing()] == [0, 0]
    net["second"].answers.clear()
    net.nodes.agree_on_receipts(1, net.chain.receipts(1))


def test_a_transaction_is_absent_when_two_say_so() -> None:
    """Absence needs a second node with the same solid block, which looked after it had that height (TRON.md 2.7)."""
    net = Net(2)
    solid = net.chain.solid()
    for node in net.by_name.values():
        node.answers["solid_receipt"] = lambda txid: None
    with net.nodes.pinned():
        net.diary.clear()
        net.nodes.agree_on_absence(TXID, solid)
    assert net.diary == ["second solid", "second solid_block", "second solid_receipt"]
    net["second"].answers["solid"] = lambda: net.chain.blocks[solid.number - 1].ref
    with pytest.raises(Unavailable, match="no second node"):
        net.nodes.agree_on_absence(TXID, solid)
    del net["second"].answers["solid"]
    net["second"].answers["solid_receipt"] = lambda txid: net.chain.receipts(1)[0]
    with pytest.raises(Disagreement):
        net.nodes.agree_on_absence(TXID, solid)
    net["second"].answers["solid_receipt"] = lambda txid: None
    net["second"].answers["solid_block"] = lambda number: net.chain.blocks[number - 1]
    with pytest.raises(Disagreement):
        net.nodes.agree_on_absence(TXID, solid)


def test_a_producer_is_what_two_nodes_state() -> None:
    """A producer that one node names alone is none; one that is active for one node only is not active."""
    net = Net(2)
    shared, alone = bytes(person(1)), bytes(person(2))
    net["first"].answers["producers"] = lambda: [Producer(shared, True, 9), Producer(alone, True, 9)]
    net["second"].answers["producers"] = lambda: [Producer(shared, False, 7)]
    assert net.nodes.producers() == [Producer(shared, active=False, latest_block=7)]
    net["second"].down = Unavailable("silence")
    with pytest.raises(Unavailable, match="fewer than two"):
        net.nodes.producers()


@pytest.mark.parametrize(
    ("method", "asked", "named"),
    [
        ("delegations", (b"owner", b"receiver"), {"solid": True}),
        ("delegation_index", (b"owner",), {"solid": False}),
        ("delegatable_sun", (b"owner", "ENERGY"), {"solid": True}),
        ("unfreezes_left", (b"owner",), {"solid": False}),
        ("withdrawable_sun", (b"owner", 5), {"solid": True}),
        ("next_maintenance_ms", (), {}),
    ],
)
def test_stake_is_told_by_the_steps_node(method: str, asked: tuple[Any, ...], named: dict[str, Any]) -> None:
    """What a node tells of stake comes from the node of the step, word for word; its silence is the step's failure."""
    net = Net().met()
    for name in NAMES:
        net[name].answers[method] = lambda *given, name=name, **said: (name, given, said)
    with net.nodes.pinned():
        assert getattr(net.nodes, method)(*asked, **named) == ("first", asked, named)
        net["first"].down = Unavailable("silence")
        with pytest.raises(Unavailable, match="silence"):
            getattr(net.nodes, method)(*asked, **named)
    net.nodes.on_one(lambda: True)()
    assert getattr(net.nodes, method)(*asked, **named)[0] == "second"


def test_one_node_is_believed_and_said_to_be_alone(caplog: pytest.LogCaptureFixture) -> None:
    """With one node configured what is final is what it says, and the log says once that nothing is compared."""
    net = Net(1)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert net.nodes.agree_on_solid(3) == net.chain.blocks[3].ref.block_id
            net.nodes.agree_on_receipts(1, net.chain.receipts(1))
            net.nodes.agree_on_absence(TXID, net.chain.solid())
    assert len([record for record in caplog.records if "one node is configured" in record.message]) == 1
    assert "first genesis_id" not in net.diary


@pytest.mark.parametrize(
    ("environ", "nodes"),
    [
        ({}, [("http://127.0.0.1:8090", "http://127.0.0.1:8090", "")]),
        ({"TRON_NODE_URL": "http://a"}, [("http://a", "http://a", "")]),
        ({"TRON_NODE_URL": "http://a", "TRON_API_KEY": "k"}, [("http://a", "http://a", "k")]),
        (
            {"TRON_NODE_URL": "http://a, https://b/x", "TRON_API_KEY": "k"},
            [("http://a", "http://a", "k"), ("https://b/x", "https://b/x", "")],
        ),
        (
            {"TRON_NODE_URL": "http://a,http://b", "TRON_SOLIDITY_URL": "http://sa,", "TRON_API_KEY": ",k"},
            [("http://a", "http://sa", ""), ("http://b", "http://b", "k")],
        ),
    ],
)
def test_nodes_are_settings(environ: dict[str, str], nodes: list[tuple[str, str, str]]) -> None:
    """Addresses stand with commas between; a key that is not said to be another node's goes to the first one only (I13)."""
    loaded = settings.load({settings.PREFIX + name: value for name, value in environ.items()})
    assert [each[:3] for each in loaded.nodes] == nodes


@pytest.mark.parametrize(
    "environ",
    [
        {"TRON_NODE_URL": "http://a,b"},
        {"TRON_NODE_URL": "http://a,,http://b"},
        {"TRON_NODE_URL": "http://a,http://a"},
        {"TRON_NODE_URL": "http://a,http://b", "TRON_SOLIDITY_URL": "http://a"},
        {"TRON_NODE_URL": "http://a", "TRON_API_KEY": "k,l"},
    ],
)
def test_settings_that_name_no_nodes_are_refused(environ: dict[str, str]) -> None:
    """What is no list of different addresses, or has more keys than nodes, is refused with its variable's name."""
    with pytest.raises(InvalidSettings, match="COUNTERFOIL_TRON_"):
        settings.load({settings.PREFIX + name: value for name, value in environ.items()})
