"""From a devnet's chain to the client's balance, in one process: every way to pay is found, nothing else is credited."""

import contextlib
import json

import httpx2
import pytest

from core.ports.unavailable import Unavailable
from core.streams.addresses import DisablePayin
from core.tron.address import Address
from gateways.devnet.chain.block import Included
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.in_process import InProcess
from gateways.devnet.machine.abi import UINT_MAX
from gateways.tron.node import TronNode
from scanners.observer import SOLID
from tests.gateways.devnet.world import Devnet
from tests.scanners.world import ACCOUNT, HOT, SPARE, THEM, US
from tests.scanners.world import World as Scanners
from tests.support.chain import SOLID_LAG, usdt_transfer
from tests.support.memory import Crash, Fuse

pytestmark = [pytest.mark.fast, pytest.mark.long]

SOLID_BLOCKS = 25
"""More blocks than lie between the head and the solid block."""
READS = {
    "/wallet/getblock",
    "/wallet/getblockbynum",
    "/wallet/gettransactioninfobyblocknum",
    "/wallet/listwitnesses",
    "/walletsolidity/getblock",
    "/walletsolidity/getblockbynum",
    "/walletsolidity/gettransactioninfobyblocknum",
}


class Wire(InProcess):
    """What is asked, by path; a `status` instead of every answer; another return word in every receipt."""

    def __init__(self, devnet: Devnet) -> None:
        super().__init__(devnet.node)
        self.asked: list[str] = []
        self.status = 200
        self.return_word: str | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        if self.status != 200:
            return httpx2.Response(self.status, content=b"{}", request=request)
        answer = super().handle_request(request)
        if self.return_word is None or "gettransactioninfo" not in request.url.path:
            return answer
        receipts = json.loads(answer.read())
        for receipt in receipts:
            assert receipt["contractResult"] == ["00" * 32]  # what USDT's transfer() returns when it has succeeded
            receipt["contractResult"] = [self.return_word]
        return httpx2.Response(200, json=receipts, request=request)


class World:
    """A devnet turned by hand, observer and recorder on it; `US` is the client's address."""

    def __init__(self) -> None:
        self.devnet = Devnet()
        self.wire = Wire(self.devnet)
        self.scanners = Scanners()
        self.scanners.node = TronNode("http://devnet", monotonic=lambda: self.devnet.now_ms / 1000, transport=self.wire)
        self.scanners.restart()

    def pay(self, to: Address, amount_minor: int) -> Included:
        return self.devnet.send_call(self.devnet.alice, "transfer(address,uint256)", to.evm, amount_minor)

    def settle(self) -> None:
        """What is on the chain becomes solid and is booked."""
        self.devnet.node.mine(SOLID_BLOCKS)
        self.scanners.settle()

    def deposits(self) -> list[tuple[str, int, int]]:
        """(receiver, log index, amount) of every credited deposit, in order."""
        events = (recorded.event for recorded in self.scanners.store.events)
        facts = [event.transfer for event in events if type(event).__name__ == "DepositConfirmed"]  # type: ignore[attr-defined]
        return [(fact.to_address, fact.log_index, fact.amount_minor) for fact in facts]


@pytest.fixture
def world() -> World:
    return World()


def test_a_deposit_is_found_in_the_logs_however_it_was_paid(world: World) -> None:
    """transfer, transferFrom by a third party, and a contract that pays three of us at once, two of them alike."""
    devnet = world.devnet
    for spender in (devnet.bob.address, devnet.genesis.multisend):
        devnet.send_call(devnet.alice, "approve(address,uint256)", spender.evm, UINT_MAX)
    world.pay(US, 1_000_001)
    call = "transferFrom(address,address,uint256)"
    devnet.send_call(devnet.bob, call, devnet.alice.address.evm, US.evm, 2_000_002)
    receivers, amounts = (US, THEM, US, SPARE), (7, 8, 7, 9)
    lists: list[bytes | int] = [4, *(each.evm for each in receivers), 4, *amounts]
    words: list[bytes | int] = [USDT.evm, 3 * 32, (4 + len(receivers)) * 32, *lists]
    devnet.send_call(devnet.alice, "send(address,address[],uint256[])", *words, contract=devnet.genesis.multisend)
    world.settle()
    mine, spare = US.base58, SPARE.base58
    assert [(to, amount) for to, _, amount in world.deposits()] == [
        (mine, 1_000_001),
        (mine, 2_000_002),
        (mine, 7),
        (mine, 7),
        (spare, 9),
    ]
    first, second, third = (index for _, index, _ in world.deposits()[2:])
    assert first < second < third
    assert world.scanners.balance() == devnet.usdt(US) == 3_000_017


def test_what_only_looks_like_money_is_not_booked(world: World) -> None:
    """Another token of the same name, a transfer that reverts, one that runs out of energy: not one event."""
    devnet, before = world.devnet, world.scanners.store.head()
    fake = devnet.send_call(
        devnet.alice, "transfer(address,uint256)", US.evm, 10**12, contract=devnet.genesis.fake_usdt
    )
    large = world.pay(US, 10**17)
    starved = devnet.send_call(devnet.alice, "transfer(address,uint256)", US.evm, 10**6, fee_limit=100_000)
    assert fake.outcome.logs
    assert [each.outcome.contract_ret for each in (fake, large, starved)] == ["SUCCESS", "REVERT", "OUT_OF_ENERGY"]
    world.settle()
    assert world.scanners.store.head() == before


def test_transfers_of_nothing_are_not_seen(world: World) -> None:
    """Anybody may log a transfer of 0 from any address to any other, ours included: no deposit, no alarm, no stop."""
    devnet, before = world.devnet, world.scanners.store.head()
    for sender, receiver in ((THEM, US), (US, THEM), (HOT, THEM), (THEM, HOT), (HOT, US)):
        call = "transferFrom(address,address,uint256)"
        poison = devnet.send_call(devnet.carol, call, sender.evm, receiver.evm, 0)
        assert len(poison.outcome.logs) == 1
    world.settle()
    assert world.scanners.store.head() == before
    assert world.scanners.alarms == []
    assert world.scanners.queue.sent == []


@pytest.mark.parametrize("word", ["00" * 31 + "01", "00" * 32, "ff" * 32, ""])
def test_the_return_word_decides_nothing(world: World, word: str) -> None:
    """USDT's transfer() says false when it has paid; whatever a receipt holds there, the deposit is credited."""
    world.wire.return_word = word
    world.pay(US, 5)
    world.settle()
    assert world.scanners.balance() == 5


def test_blocks_are_the_only_source_and_the_books_are_the_tokens_own_balance(world: World) -> None:
    """No account history of anybody is asked for, and what is booked for each address is what the token says it holds."""
    for amount, to in enumerate((US, SPARE, US, THEM, HOT, SPARE), start=1):
        world.pay(to, amount)
    world.settle()
    assert set(world.wire.asked) == READS
    booked = dict.fromkeys((US, SPARE, HOT), 0)
    for base58, _, amount in world.deposits():
        booked[Address.from_base58(base58)] += amount
    assert booked == {address: world.devnet.usdt(address) for address in booked}


@pytest.mark.parametrize("status", [429, 403])
def test_a_node_that_shuts_us_out_delays_deposits_and_loses_none(world: World, status: int) -> None:
    """Paid during the storm, credited after it, with the time of the block that paid and not of the hour it was read."""
    world.scanners.settle()
    before = world.scanners.cursors.rows[SOLID]
    world.wire.status = status
    paid = []
    for amount in range(1, 41):
        world.devnet.now_ms += 60_000
        paid.append(world.pay(US, amount))
        with pytest.raises(Unavailable):
            world.scanners.observer.step()
    assert world.scanners.cursors.rows[SOLID] == before
    assert world.scanners.balance() == 0
    world.wire.status = 200
    world.devnet.now_ms += 3_600_000
    world.settle()
    assert world.scanners.balance() == sum(range(1, 41))
    for included in paid:
        found = world.devnet.chain.find(included.transaction.txid)
        fact = world.scanners.deposit(included.transaction.txid).transfer
        assert found is not None
        assert fact is not None
        assert (fact.block_number, fact.block_timestamp_ms) == (found[0].number, found[0].timestamp_ms)


def test_a_payment_to_a_disabled_payin_is_the_clients(world: World) -> None:
    """Disabled is a label: what arrives at the address afterwards is credited to its owner, not set aside, not refused."""
    [outcome] = world.scanners.ledger.execute([DisablePayin("payin", ACCOUNT, "operator:test")])
    assert type(outcome).__name__ == "Accepted"
    paid = world.pay(US, 5)
    world.settle()
    assert world.scanners.status(paid.transaction.txid) == "confirmed"
    assert world.scanners.deposit(paid.transaction.txid).account_id == ACCOUNT
    assert world.scanners.balance() == 5


@pytest.mark.parametrize("place", [1, 10, 30, 60])
def test_a_process_that_was_killed_goes_on_where_it_died(place: int) -> None:
    """It comes back 500 blocks later, with a deposit in each: no block is passed over, no deposit missed or doubled."""
    world = Scanners()
    world.chain.mine(*(usdt_transfer(salt, US, salt) for salt in range(1, 11)), blocks=SOLID_LAG + 1)
    fuse = Fuse(place)
    world.restart(fuse)
    with contextlib.suppress(Crash):
        world.settle()
    assert fuse.blown
    for salt in range(11, 511):
        world.chain.mine(usdt_transfer(salt, US, salt))
    world.chain.mine(blocks=SOLID_LAG)
    world.restart()
    world.settle()
    assert sorted(world.log.refs) == list(range(1, world.chain.solid().number + 1))
    assert world.balance() == sum(range(1, 511))
