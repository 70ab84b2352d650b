"""TRX that contracts hand on to us: booked where two nodes show it, not on one's word, and no reason to stop (FAILURES 41)."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import pytest

from core.ledger import books
from core.ledger.events import postings_of
from core.ledger.journal import TREASURY
from core.ports.chain import NoSecondOpinion, UnusableAnswer
from core.ports.unavailable import Unavailable
from core.streams.deposits import DepositConfirmed, DepositDetected, TransferFact
from core.tron.address import Address
from core.tron.chain import Block, InternalTransfer, Receipt
from core.tron.transactions import TRIGGER
from gateways.devnet.chain.block import Included
from gateways.devnet.in_process import InProcess
from gateways.tron.node import TronNode
from gateways.tron.nodes import Nodes
from gateways.tron.roster import REST_MAX_S
from scanners import proven
from scanners.observer import SOLID
from scanners.waiting import ONE_NODE
from tests.gateways.devnet.world import TRX, Devnet
from tests.gateways.tron.test_nodes import Net
from tests.scanners.world import HOT, SPARE, THEM, US
from tests.scanners.world import World as Scanners
from tests.support.chain import direct_transfer

pytestmark = [pytest.mark.fast, pytest.mark.long]

SOLID_BLOCKS = 25


class World:
    """A devnet's nodes by their names, observer and recorder on them; `bare` ones keep no internal transactions."""

    def __init__(self, *names: str, bare: Collection[str] = (), kind: type[Nodes] = Nodes) -> None:
        self.devnet, self.scanners = Devnet(), Scanners()
        for name in bare:
            self.devnet.node.faults.arm("no_internal", path=f"/node/{name}")
        self.members: dict[str, Any] = {name: self._node(name) for name in names}
        self.nodes = kind(self.members, alarm=self.scanners._ring, monotonic=self._seconds)
        self.scanners.node = self.scanners.opinion = self.nodes
        self.scanners.restart()

    def _seconds(self) -> float:
        return self.devnet.now_ms / 1000

    def _node(self, name: str) -> TronNode:
        return TronNode(f"http://devnet/node/{name}", monotonic=self._seconds, transport=InProcess(self.devnet.node))

    def forward(self, *shares: tuple[Address, int]) -> Included:
        devnet, count = self.devnet, len(shares)
        words: list[bytes | int] = [64, 64 + 32 * (count + 1), count, *(to.evm for to, _ in shares)]
        words += [count, *(amount for _, amount in shares)]
        data = devnet.data("forward(address[],uint256[])", *words)
        parameter = {"contract_address": devnet.genesis.forwarder, "data": data, "call_value": TRX}
        return devnet.mined(devnet.signed(devnet.alice, TRIGGER, parameter))

    def settle(self) -> None:
        """What is on the chain becomes solid and is booked; whatever the nodes show, the scanner does not stand."""
        self.devnet.node.mine(SOLID_BLOCKS)
        self.scanners.settle()
        cursor = self.scanners.cursors.load(SOLID)
        assert cursor is not None
        assert cursor.number == self.devnet.chain.solid.number

    def credited(self) -> list[tuple[str, int | None, int, str]]:
        """(receiver, log index, amount, currency) of every confirmed transfer, in order."""
        events: list[Any] = [recorded.event for recorded in self.scanners.store.events]
        facts = [event.transfer for event in events if type(event).__name__ == "DepositConfirmed"]
        return [(fact.to_address, fact.log_index, fact.amount_minor, fact.currency) for fact in facts]

    def booked(self, account: str) -> int:
        """What the treasury's book has of TRX there, in sun."""
        lines = [line for it in self.scanners.store.events for line in postings_of(it.event)]
        here = [line for line in lines if (line.book, line.account, line.currency) == (TREASURY, account, "TRX")]
        return sum(line.amount_minor if line.side == "debit" else -line.amount_minor for line in here)

    def alarms(self) -> list[str]:
        return [name for name, _ in self.scanners.alarms]


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_trx_of_a_contract_is_booked_once_for_each_time(names: tuple[str, ...]) -> None:
    """Equal shares of one call are transfers of their own, to wallet and deposit address, in Suspense; read again: once."""
    world = World(*names)
    txid = world.forward((HOT, 7), (THEM, 9), (HOT, 7), (US, 5), (SPARE, 3)).transaction.txid
    world.settle()
    found = [(HOT.base58, -1, 7), (HOT.base58, -3, 7), (US.base58, -4, 5), (SPARE.base58, -5, 3)]
    assert world.credited() == [(*each, "TRX") for each in found]
    wallets = {role: world.booked(books.WALLET_ACCOUNTS[role]) for role in ("hot", "payin")}
    assert (wallets, world.booked(books.SUSPENSE)) == ({"hot": 14, "payin": 8}, -22)
    assert world.scanners.balance() == 0
    assert world.scanners.status(txid, -1) == "confirmed"
    list(world.scanners.observer.rescan(1, world.devnet.chain.solid.number))
    world.scanners.settle()
    assert len(world.credited()) == len(found)
    assert world.alarms() == []


def test_what_moved_nothing_is_not_booked() -> None:
    """A call that fails, one that is rejected within, a token's: no TRX."""
    world = World("a", "b")
    devnet, before = world.devnet, world.scanners.store.head()
    world.forward((HOT, TRX), (HOT, 1))
    data = devnet.data("attempt(address,uint256)", HOT.evm, 5)
    devnet.mined(devnet.signed(devnet.alice, TRIGGER, {"contract_address": devnet.genesis.forwarder, "data": data}))
    world.settle()
    assert world.scanners.store.head() == before


@pytest.mark.parametrize("bare", ["a", "b"])
def test_a_node_that_keeps_none_contradicts_nobody(bare: str) -> None:
    """One of two keeps them: nothing is booked from it alone, all else is, the scanner goes on, and what is left out rings."""
    world = World("a", "b", bare=[bare])
    world.forward((HOT, 7), (US, 5))
    height = world.devnet.chain.head.number
    world.devnet.send_trx(world.devnet.alice, HOT, 11)
    world.settle()
    assert world.credited() == [(HOT.base58, None, 11, "TRX")]
    assert world.alarms() == (
        ["internal_not_agreed"] if bare == "b" else []
    )  # the node of the step shows nothing to agree on
    if bare == "b":
        [(_, sentence)] = world.scanners.alarms
        assert f"`counterfoil scan --from {height} --to {height}`" in sentence
        assert "vm.saveInternalTx" in sentence


def test_what_concerns_nobody_of_ours_is_not_asked_about() -> None:
    """Strangers' contracts hand on as they like: no alarm, and no receipts are read a third time."""
    world = World("a", "b", bare=["b"])
    world.forward((THEM, 7))
    world.settle()
    assert (world.credited(), world.alarms()) == ([], [])


def test_two_of_three_are_enough() -> None:
    """A node that keeps none between two that do: the third is asked."""
    world = World("a", "b", "c", bare=["b"])
    world.forward((HOT, 7))
    world.settle()
    assert world.credited() == [(HOT.base58, -1, 7, "TRX")]


def test_it_is_booked_once_a_second_node_keeps_them() -> None:
    """`scan` reads the block again."""
    world = World("a", "b", bare=["b"])
    world.forward((HOT, 7))
    height = world.devnet.chain.head.number
    world.settle()
    assert world.credited() == []
    world.devnet.node.clear_faults()
    list(world.scanners.observer.rescan(height, height))
    world.scanners.settle()
    assert world.credited() == [(HOT.base58, -1, 7, "TRX")]


def test_a_silent_second_node_is_waited_for() -> None:
    """Nothing is agreed while no other node answers, or has the block; a node that has it and shows less has its say."""
    net = Net(2)
    [receipt] = net.chain.receipts(1)
    seen = (receipt.txid, InternalTransfer(0, THEM.evm, HOT.evm, 7))
    second = net["second"].answers
    for answer in ([], Unavailable("silence")):
        net["second"].down = answer if isinstance(answer, Unavailable) else None
        second["solid_receipts"] = lambda number: []
        with pytest.raises(NoSecondOpinion):
            net.nodes.agree_on_internal(1, [seen])
    net["second"].down = None
    net.now += REST_MAX_S
    second["solid_receipts"] = lambda number: [receipt]
    assert not net.nodes.agree_on_internal(1, [seen])
    second["solid_receipts"] = lambda number: [msgspec.structs.replace(receipt, internal=(seen[1],))]
    assert list(net.nodes.agree_on_internal(1, [seen])) == [seen]
    second["solid_receipts"] = _too_large
    second["solid_receipt"] = lambda txid: msgspec.structs.replace(receipt, internal=(seen[1],))
    assert list(net.nodes.agree_on_internal(1, [seen])) == [seen]
    assert net.alarms == []


def _too_large(number: int) -> Any:
    raise UnusableAnswer("the answer is too large")


class Liar(TronNode):
    """Adds TRX for the hot wallet to a receipt, makes it more, or hides it."""

    lie = "added"

    def solid_receipts(self, number: int) -> Any:
        told = []
        for receipt in super().solid_receipts(number):
            internal = receipt.internal
            forged = InternalTransfer(90, THEM.evm, HOT.evm, 10**15)
            match self.lie:
                case "added":
                    internal = (*internal, forged)
                case "more":
                    internal = tuple(InternalTransfer(it.place, it.sender, it.receiver, 10**15) for it in internal)
                case "of ours":
                    internal = (*internal, InternalTransfer(91, HOT.evm, THEM.evm, 10**15))
                case "hidden":
                    internal = ()
            told.append(msgspec.structs.replace(receipt, internal=internal))
        return told


def lied_to(lie: str, kind: type[Nodes] = Nodes) -> World:
    world = World("a", "b", kind=kind)
    liar = Liar("http://devnet/node/a", monotonic=world._seconds, transport=InProcess(world.devnet.node))
    liar.lie = lie
    world.nodes = kind({"a": liar, "b": world.members["b"]}, alarm=world.scanners._ring, monotonic=world._seconds)
    world.scanners.node = world.scanners.opinion = world.nodes
    world.scanners.restart()
    world.forward((HOT, 7))
    world.settle()
    return world


TRUTH = {
    "added": ([(HOT.base58, -1, 7, "TRX")], ["internal_not_agreed"]),
    "more": ([], ["internal_not_agreed"]),
    "of ours": ([(HOT.base58, -1, 7, "TRX")], ["internal_not_agreed"]),
    "hidden": ([], []),
}


@pytest.mark.parametrize("lie", TRUTH)
def test_one_lying_node_books_nothing_false(lie: str) -> None:
    """TRX more, another amount, TRX out of our wallet: none of it is booked; what it hides, the wallets' watch finds."""
    world = lied_to(lie)
    assert (world.credited(), world.alarms()) == TRUTH[lie]
    assert not [it for it in world.scanners.store.events if "Outgoing" in type(it.event).__name__]


class Trusting:
    """A block proves TRX by contracts as it proves the transaction it stands in."""

    @staticmethod
    def is_proven(fact: TransferFact, block: Block, receipts: Sequence[Receipt], usdt: bytes) -> bool:
        plain = msgspec.structs.replace(fact, log_index=0) if fact.is_internal else fact
        return proven.is_proven(plain, block, receipts, usdt)


def detected_of_one_node() -> Scanners:
    """One node that nobody vouches for adds TRX to a direct transfer of the token."""
    scanners = Scanners(lone=True)
    direct = direct_transfer(1, US, 70)
    forged = msgspec.structs.replace(direct.receipt, internal=(InternalTransfer(0, THEM.evm, HOT.evm, 10**15),))
    scanners.chain.mine(msgspec.structs.replace(direct, receipt=forged), blocks=SOLID_BLOCKS)
    scanners.settle()
    return scanners


def of_trx(scanners: Scanners) -> list[tuple[str, str]]:
    """(event, what it waits for) of TRX, in order."""
    events: list[Any] = [recorded.event for recorded in scanners.store.events]
    told = [it for it in events if isinstance(it, DepositDetected | DepositConfirmed) and it.transfer.currency == "TRX"]
    return [(type(it).__name__, it.transfer.waits_for) for it in told]


def test_one_node_s_word_waits() -> None:
    """The block proves the token's transfer beside it, and nothing of the TRX: it is detected, and waits for a second node."""
    scanners = detected_of_one_node()
    assert scanners.balance() == 70
    assert of_trx(scanners) == [("DepositDetected", ONE_NODE)]
    assert [name for name, _ in scanners.alarms] == ["one_node"]
    scanners.lone = False
    scanners.restart()
    scanners.settle()
    assert of_trx(scanners)[-1] == ("DepositConfirmed", "")


def test_a_scanner_that_trusts_the_block_with_it_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant books what one node made up."""
    monkeypatch.setattr("scanners.waiting.is_proven", Trusting.is_proven)
    assert of_trx(detected_of_one_node()) == [("DepositConfirmed", "")]


class Believing(Nodes):
    """What one node shows is enough."""

    def agree_on_internal(
        self, number: int, internal: Collection[tuple[str, InternalTransfer]]
    ) -> Collection[tuple[str, InternalTransfer]]:
        return internal


def test_nodes_that_are_believed_alone_are_caught() -> None:
    """The broken variant books what never was."""
    assert lied_to("added", Believing).credited() != TRUTH["added"][0]
