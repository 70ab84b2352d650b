"""Any walk through staking, delegating, calling and waiting keeps what must always hold; and a fork takes all of it back."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tron.transactions import CANCEL_UNFREEZES, DELEGATE, FREEZE, TRIGGER, UNDELEGATE, UNFREEZE, WITHDRAW_UNFROZEN
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.execution import delegation, staking
from gateways.devnet.execution.staking import STAKED, WEIGHTS_TRX
from gateways.devnet.state.shares import WINDOW, WINDOW_SLOTS
from gateways.devnet.state.state import State
from tests.gateways.devnet.world import TRX, Devnet

pytestmark = [pytest.mark.fast, pytest.mark.long]

HOUR_MS = 3_600_000
people = st.integers(0, 2)
resources = st.integers(0, 1)
amounts = st.one_of(st.integers(TRX // 2, 20 * TRX), st.integers(TRX, 6_000 * TRX))
periods = st.integers(0, 30_000)
hours = st.integers(1, 15 * 24)

Step = tuple[str, tuple[Any, ...]]
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("freeze"), st.tuples(people, resources, amounts)),
    st.tuples(st.just("unfreeze"), st.tuples(people, resources, amounts)),
    st.tuples(st.just("withdraw"), st.tuples(people)),
    st.tuples(st.just("cancel"), st.tuples(people)),
    st.tuples(st.just("lend"), st.tuples(people, people, resources, amounts, st.booleans(), periods)),
    st.tuples(st.just("lend the most"), st.tuples(people, people, resources)),
    st.tuples(st.just("take back"), st.tuples(people, people, resources, amounts)),
    st.tuples(st.just("take all back"), st.tuples(people, people, resources)),
    st.tuples(st.just("pay"), st.tuples(people, people)),
    st.tuples(st.just("wait"), st.tuples(hours)),
    st.tuples(st.just("fork"), st.tuples(st.integers(1, 10))),
)
walks = st.lists(steps, min_size=1, max_size=25)


class Walker:
    """Three people on a devnet, and the steps they take; what the chain refuses is no step."""

    def __init__(self, **config: Any) -> None:
        self.devnet = Devnet(**config)
        self.people = (self.devnet.alice, self.devnet.bob, self.devnet.carol)
        self.start_sun = sum(self.owned(key) for key in self.people)
        self.burned_sun = 0
        for who, key in enumerate(self.people):
            self.devnet.freeze(key, 12_000)
            self.devnet.freeze(key, 2_000, resource=0)
            self.devnet.lend(key, self._at((who + 1) % 3), 3_000 * who + 1)

    @property
    def state(self) -> State:
        return self.devnet.chain.state

    def owned(self, key: Key) -> int:
        """Every sun of a person, wherever it stands."""
        account = self.devnet.account(key.address)
        shares = (account.bandwidth, account.energy)
        staked = sum(share.frozen_sun + share.delegated_sun for share in shares)
        return account.balance_sun + staked + sum(each.amount_sun for each in account.unfreezing)

    def take(self, step: Step) -> None:
        name, arguments = step
        match name, arguments:
            case "freeze", (who, resource, sun):
                self._send(who, FREEZE, frozen_balance=sun, resource=resource)
            case "unfreeze", (who, resource, sun):
                self._send(who, UNFREEZE, unfreeze_balance=sun, resource=resource)
            case "withdraw", (who,):
                self._send(who, WITHDRAW_UNFROZEN)
            case "cancel", (who,):
                self._send(who, CANCEL_UNFREEZES)
            case "lend", (who, to, resource, sun, lock, period):
                locked = {"lock": True, "lock_period": period} if lock else {}
                self._send(who, DELEGATE, receiver_address=self._at(to), balance=sun, resource=resource, **locked)
            case "lend the most", (who, to, resource):
                self.lend_the_most(who, to, resource)
            case "take back", (who, of, resource, sun):
                self._send(who, UNDELEGATE, receiver_address=self._at(of), balance=sun, resource=resource)
            case "take all back", (who, of, resource):
                lent = delegation.find(self.state, self._at(who), self._at(of), locked=False)
                sun = lent.amount(STAKED[resource]) if lent else 1
                self._send(who, UNDELEGATE, receiver_address=self._at(of), balance=sun, resource=resource)
            case "pay", (who, to):
                data = self.devnet.data("transfer(address,uint256)", self.people[to].address.evm, 1)
                self._send(who, TRIGGER, contract_address=USDT, data=data)
            case "wait", (some_hours,):
                self.devnet.node.advance(some_hours * HOUR_MS)
            case "fork", (depth,):
                above = self.devnet.chain.head.number - self.devnet.chain.solid.number
                if above:
                    self.devnet.node.reorg(min(depth, above), keep_order=True)
                    self.devnet.node.mine()
        self._count_fees()

    def lend_the_most(self, who: int, to: int, resource: int) -> None:
        """The most that can be lent is taken, and a sun more is not."""
        chain, account = self.devnet.chain, self.devnet.account(self._at(who))
        most = delegation.delegatable(chain.state, account, STAKED[resource], chain.parameters, chain.head.timestamp_ms)
        if most < TRX or who == to:
            return
        request = {"receiver_address": self._at(to), "resource": resource}
        verdict = self._offer(who, DELEGATE, balance=most + 1, **request)
        if resource == 1 or not verdict.accepted:  # paying for its bytes may use bandwidth stake as well
            assert not verdict.accepted
            if resource == 1:
                assert self._offer(who, DELEGATE, balance=most, **request).accepted
                self.devnet.node.mine()

    def check(self) -> None:
        """What holds after every step."""
        assert sum(self.owned(key) for key in self.people) == self.start_sun - self.burned_sun, "TRX is kept"
        accounts = [self.devnet.account(key.address) for key in self.people]
        for resource in STAKED:
            shares = [staking.share(account, resource) for account in accounts]
            lent = sum(share.delegated_sun for share in shares)
            assert lent == sum(share.acquired_sun for share in shares) == self._lent(resource), (
                "all that is lent is somewhere"
            )
            network = staking.total(self.state, self.devnet.chain.parameters, resource)
            assert network.weight == WEIGHTS_TRX[resource] + sum(share.weight_trx for share in shares)
            for share in shares:
                assert min(share.frozen_sun, share.delegated_sun, share.acquired_sun, share.used) >= 0
                assert 0 <= share.window <= WINDOW
                now = self.devnet.chain.context.slot
                assert share.used_at(now + WINDOW_SLOTS) == 0
                assert share.used_at(now) <= share.used
        for owner in self.people:
            borrowers = delegation.receivers(self.state, owner.address)
            assert sorted(borrowers) == sorted(
                other.address for other in self.people if self._pair(owner.address, other.address)
            )
            for borrower in borrowers:
                assert owner.address in delegation.owners(self.state, borrower)

    def _lent(self, resource: str) -> int:
        pairs = [self._pair(owner.address, to.address) for owner in self.people for to in self.people]
        return sum(lent.amount(resource) for pair in pairs for lent in pair)

    def _pair(self, owner: bytes, to: bytes) -> list[delegation.Lent]:
        both = (delegation.find(self.state, owner, to, locked=locked) for locked in (False, True))
        return [lent for lent in both if lent]

    def _at(self, who: int) -> bytes:
        return self.people[who].address

    def _offer(self, who: int, kind: int, **fields: Any) -> Any:
        return self.devnet.node.broadcast(self.devnet.signed(self.people[who], kind, fields))

    def _send(self, who: int, kind: int, **fields: Any) -> None:
        if self._offer(who, kind, **fields).accepted:
            self.devnet.node.mine()

    def _count_fees(self) -> None:
        """All fees of the chain as it is: a fork may have changed them."""
        owners = {key.address for key in self.people}
        self.burned_sun = sum(
            each.outcome.fee_sun
            for block in self.devnet.chain.blocks
            for each in block.included
            if each.transaction.owner in owners
        )


@settings(max_examples=40)
@given(walks)
def test_any_walk_keeps_stake_and_trx(walk: list[Step]) -> None:
    """TRX is neither made nor lost but in fees, all lent stake is somewhere, weights, windows and indexes agree."""
    walker = Walker()
    for step in walk:
        walker.take(step)
        walker.check()


@settings(max_examples=15)
@given(walks)
def test_a_walk_can_be_taken_back(walk: list[Step]) -> None:
    """Popping the blocks of a walk one by one shows each earlier state again, stake and usage included."""
    walker = Walker()
    devnet = walker.devnet
    seen: dict[str, list[Any]] = {}
    for step in walk:
        if step[0] == "fork":
            continue
        seen[devnet.chain.head.block_id] = [devnet.account(key.address) for key in walker.people]
        walker.take(step)
    while devnet.chain.head.number > devnet.chain.solid.number:
        devnet.chain.pop()
        if before := seen.get(devnet.chain.head.block_id):
            assert [devnet.account(key.address) for key in walker.people] == before


@settings(max_examples=10)
@given(walks)
def test_a_kept_walk_is_repeated(walk: list[Step]) -> None:
    """A chain that is opened again has the same stake, usage and delegations."""
    with TemporaryDirectory() as folder:
        walker = Walker(data_dir=Path(folder))
        for step in walk:
            walker.take(step)
        walker.devnet.node.close()
        again = Devnet(data_dir=Path(folder))
        for key in walker.people:
            assert again.account(key.address) == walker.devnet.account(key.address)
            assert delegation.receivers(again.chain.state, key.address) == delegation.receivers(
                walker.state, key.address
            )
        again.node.close()


@settings(max_examples=25)
@given(
    st.integers(6_000, 40_000),
    st.integers(6_000, 12_000),
    st.integers(0, 26),
    st.integers(1, 5),
)
def test_moving_stake_around_makes_no_energy(pool_trx: int, lent_trx: int, wait_hours: int, rounds: int) -> None:
    """However a pool is lent and taken back within a day, its energy pays for no more calls than it has energy for."""
    devnet = Devnet()
    devnet.freeze(devnet.alice, pool_trx)
    staked = 0
    for _ in range(rounds):
        request = {"receiver_address": devnet.bob.address, "resource": 1, "balance": lent_trx * TRX}
        if not devnet.node.broadcast(devnet.signed(devnet.alice, DELEGATE, request)).accepted:
            break
        devnet.node.mine()
        staked += devnet.send_call(
            devnet.bob, "transfer(address,uint256)", devnet.carol.address.evm, 1
        ).outcome.energy_staked
        devnet.take_back(devnet.alice, devnet.bob.address, lent_trx)
    network = staking.total(devnet.chain.state, devnet.chain.parameters, staking.ENERGY)
    elapsed_slots = rounds * 4
    recovered = staked * elapsed_slots // WINDOW_SLOTS + rounds
    assert staked <= network.units(pool_trx * TRX) + recovered
    share = devnet.account(devnet.alice.address).energy
    assert abs(share.used_at(devnet.chain.context.slot) - staked) <= recovered + 2 * rounds
    devnet.node.advance(wait_hours * HOUR_MS + 1)
    left = share.used_at(devnet.chain.context.slot)
    expected = staked * max(0, 24 - wait_hours) // 24
    assert abs(left - expected) <= recovered + 2 * rounds + staked // 1_000
