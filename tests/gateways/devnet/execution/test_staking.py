"""Stake 2.0 on the devnet: frozen, unfrozen, withdrawn, frozen again; every refusal in java-tron's words."""

from typing import Any

import pytest

from core.tron.transactions import CANCEL_UNFREEZES, FREEZE, UNFREEZE, WITHDRAW_UNFROZEN
from gateways.devnet.execution.staking import BANDWIDTH, ENERGY, WEIGHTS_TRX, total
from gateways.devnet.state.accounts import Unfreezing
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

DAY_MS = 86_400_000


def weight(devnet: Devnet, resource: str = ENERGY) -> int:
    """TRX that the network has more at stake than it began with."""
    return total(devnet.chain.state, devnet.chain.parameters, resource).weight - WEIGHTS_TRX[resource]


def unfreeze(devnet: Devnet, sun: int, resource: int = 1) -> Any:
    return devnet.send(devnet.alice, UNFREEZE, unfreeze_balance=sun, resource=resource).outcome


def test_freezing_moves_trx_into_stake(devnet: Devnet) -> None:
    """Frozen TRX leaves the balance, gives its resource at once and weighs in whole TRX; bandwidth is all it costs."""
    before = devnet.account(devnet.alice.address).balance_sun
    outcome = devnet.send(devnet.alice, FREEZE, frozen_balance=10_000 * TRX + 7, resource=1).outcome
    account = devnet.account(devnet.alice.address)
    assert (outcome.contract_ret, outcome.result, outcome.fee_sun, outcome.net_used) == ("SUCCESS", "", 0, 254)
    assert account.balance_sun == before - 10_000 * TRX - 7
    assert account.energy.frozen_sun == 10_000 * TRX + 7
    assert (weight(devnet), weight(devnet, BANDWIDTH)) == (10_000, 0)
    devnet.freeze(devnet.alice, 5, resource=0)
    assert devnet.account(devnet.alice.address).bandwidth.frozen_sun == 5 * TRX
    assert weight(devnet, BANDWIDTH) == 5


def test_odd_sun_add_up_to_a_whole_trx(devnet: Devnet) -> None:
    """Two stakes of 1.5 TRX weigh 3 TRX together, though each of them rounds down."""
    for expected in (1, 3):
        devnet.send(devnet.alice, FREEZE, frozen_balance=3 * TRX // 2, resource=1)
        assert weight(devnet) == expected


def test_unfreezing_takes_fourteen_days(devnet: Devnet) -> None:
    """What is unfrozen gives nothing from the next block on, cannot be withdrawn before 14 days, and then comes back whole."""
    devnet.freeze(devnet.alice, 100)
    began_ms = devnet.chain.head.timestamp_ms
    outcome = unfreeze(devnet, 60 * TRX)
    account = devnet.account(devnet.alice.address)
    assert (outcome.fee_sun, outcome.withdrawn_sun) == (0, 0)
    assert (account.energy.frozen_sun, weight(devnet)) == (40 * TRX, 40)
    assert account.unfreezing == (Unfreezing(ENERGY, 60 * TRX, began_ms + 14 * DAY_MS),)
    assert devnet.refused(devnet.alice, WITHDRAW_UNFROZEN) == "no unFreeze balance to withdraw "
    devnet.node.advance(14 * DAY_MS)
    balance_sun = account.balance_sun
    outcome = devnet.send(devnet.alice, WITHDRAW_UNFROZEN).outcome
    account = devnet.account(devnet.alice.address)
    assert outcome.withdrawn_sun == 60 * TRX
    assert (account.balance_sun, account.unfreezing) == (balance_sun + 60 * TRX - outcome.fee_sun, ())


def test_the_day_of_withdrawal_is_exact(devnet: Devnet) -> None:
    """An unfreeze can be withdrawn in the block whose parent bears its expiry, not in one whose parent is a slot earlier."""
    devnet.freeze(devnet.alice, 100)
    unfreeze(devnet, TRX)
    (waiting,) = devnet.account(devnet.alice.address).unfreezing
    devnet.node.advance(waiting.expires_ms - devnet.chain.head.timestamp_ms - 3_000)
    assert devnet.chain.head.timestamp_ms == waiting.expires_ms - 3_000
    assert devnet.refused(devnet.alice, WITHDRAW_UNFROZEN) == "no unFreeze balance to withdraw "
    devnet.node.mine()
    assert devnet.send(devnet.alice, WITHDRAW_UNFROZEN).outcome.withdrawn_sun == TRX


def test_unfreezing_withdraws_what_has_expired(devnet: Devnet) -> None:
    """A later unfreeze brings the earlier, expired one back on the way, and says so in its receipt."""
    devnet.freeze(devnet.alice, 100)
    unfreeze(devnet, 3 * TRX)
    devnet.node.advance(15 * DAY_MS)
    balance_sun = devnet.account(devnet.alice.address).balance_sun
    assert unfreeze(devnet, 4 * TRX).withdrawn_sun == 3 * TRX
    account = devnet.account(devnet.alice.address)
    assert (account.balance_sun, len(account.unfreezing)) == (balance_sun + 3 * TRX, 1)


def test_cancelling_freezes_again(devnet: Devnet) -> None:
    """Cancelling freezes every waiting unfreeze for its own resource and withdraws the expired ones."""
    devnet.freeze(devnet.alice, 100)
    devnet.freeze(devnet.alice, 50, resource=0)
    unfreeze(devnet, 30 * TRX)
    devnet.node.advance(15 * DAY_MS)
    unfreeze(devnet, 20 * TRX, resource=0)
    devnet.node.advance(DAY_MS)
    devnet.send(devnet.alice, FREEZE, frozen_balance=TRX, resource=1)
    unfreeze(devnet, 7 * TRX)
    balance_sun = devnet.account(devnet.alice.address).balance_sun
    outcome = devnet.send(devnet.alice, CANCEL_UNFREEZES).outcome
    account = devnet.account(devnet.alice.address)
    assert outcome.cancelled_sun == {"BANDWIDTH": 20 * TRX, "ENERGY": 7 * TRX, "TRON_POWER": 0}
    assert outcome.withdrawn_sun == 0  # the expired one came back with the second unfreeze
    assert (account.bandwidth.frozen_sun, account.energy.frozen_sun) == (50 * TRX, 71 * TRX)
    assert (weight(devnet, BANDWIDTH), weight(devnet)) == (50, 71)
    assert (account.balance_sun, account.unfreezing) == (balance_sun - outcome.fee_sun, ())


def test_cancelling_withdraws_what_has_expired(devnet: Devnet) -> None:
    """An expired unfreeze is not frozen again but comes back to the balance."""
    devnet.freeze(devnet.alice, 100)
    unfreeze(devnet, 30 * TRX)
    devnet.node.advance(10 * DAY_MS)
    unfreeze(devnet, 20 * TRX)
    devnet.node.advance(5 * DAY_MS)
    outcome = devnet.send(devnet.alice, CANCEL_UNFREEZES).outcome
    assert (outcome.withdrawn_sun, outcome.cancelled_sun) == (
        30 * TRX,
        {"BANDWIDTH": 0, "ENERGY": 20 * TRX, "TRON_POWER": 0},
    )


def test_at_most_thirty_two_unfreezes_wait(devnet: Devnet) -> None:
    """The thirty-third waiting unfreeze is refused; an expired one makes room."""
    devnet.freeze(devnet.alice, 100)
    for _ in range(32):
        unfreeze(devnet, TRX)
    request = {"unfreeze_balance": TRX, "resource": 1}
    expected = "Invalid unfreeze operation, unfreezing times is over limit"
    assert devnet.refused(devnet.alice, UNFREEZE, **request) == expected
    devnet.node.advance(14 * DAY_MS)
    assert unfreeze(devnet, TRX).withdrawn_sun == 32 * TRX


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (FREEZE, {"resource": 1}, "frozenBalance must be positive"),
        (FREEZE, {"frozen_balance": -1, "resource": 1}, "frozenBalance must be positive"),
        (FREEZE, {"frozen_balance": TRX - 1}, "frozenBalance must be greater than or equal to 1 TRX"),
        (FREEZE, {"frozen_balance": 10**15}, "frozenBalance must be less than or equal to accountBalance"),
        (FREEZE, {"frozen_balance": TRX, "resource": 2}, "ResourceCode error, valid ResourceCode[BANDWIDTH、ENERGY]"),
        (FREEZE, {"frozen_balance": TRX, "resource": 9}, "ResourceCode error, valid ResourceCode[BANDWIDTH、ENERGY]"),
        (UNFREEZE, {"unfreeze_balance": TRX}, "no frozenBalance(BANDWIDTH)"),
        (UNFREEZE, {"unfreeze_balance": 11 * TRX, "resource": 1}, "Invalid unfreeze_balance, [11000000] is error"),
        (UNFREEZE, {"resource": 1}, "Invalid unfreeze_balance, [0] is error"),
        (UNFREEZE, {"resource": 2}, "ResourceCode error.valid ResourceCode[BANDWIDTH、Energy]"),
        (WITHDRAW_UNFROZEN, {}, "no unFreeze balance to withdraw "),
        (CANCEL_UNFREEZES, {}, "No unfreezeV2 list to cancel"),
    ],
)
def test_refusals(devnet: Devnet, kind: int, fields: dict[str, Any], message: str) -> None:
    """What java-tron refuses is refused in its words, and changes nothing."""
    devnet.freeze(devnet.alice, 10)
    before = devnet.account(devnet.alice.address)
    assert devnet.refused(devnet.alice, kind, **fields) == message
    devnet.node.mine()
    assert devnet.account(devnet.alice.address) == before


def test_energy_alone_has_no_energy_to_unfreeze(devnet: Devnet) -> None:
    """Stake for one resource is no stake for the other."""
    devnet.freeze(devnet.alice, 10, resource=0)
    request = {"unfreeze_balance": TRX, "resource": 1}
    assert devnet.refused(devnet.alice, UNFREEZE, **request) == "no frozenBalance(Energy)"


def test_staked_bandwidth_pays_first(devnet: Devnet) -> None:
    """Bytes come from stake while it covers all of them, then from the free allowance, then are burned; never from two."""
    devnet.freeze(devnet.alice, 400, resource=0)  # 619 bytes at these weights
    transfers = [devnet.send_trx(devnet.alice, devnet.bob.address, 1).outcome for _ in range(5)]
    account = devnet.account(devnet.alice.address)
    size = transfers[0].net_used
    assert [(each.net_used, each.net_fee_sun) for each in transfers[:3]] == [(size, 0)] * 3
    assert account.bandwidth.used_at(account.bandwidth.slot) == 2 * size
    assert (transfers[4].net_used, transfers[4].net_fee_sun) == (0, size * 1_000)


def test_stake_that_covers_the_last_byte_pays(devnet: Devnet) -> None:
    """Bandwidth that is exactly the transaction's bytes is used; with one byte less nothing of it is."""
    devnet.freeze(devnet.alice, 100, resource=0)
    size = devnet.signed(devnet.alice, 1, {"to_address": devnet.bob.address, "amount": 1}).bandwidth
    network = total(devnet.chain.state, devnet.chain.parameters, BANDWIDTH)
    for missing in (1, 0):
        devnet.node.decree({"getTotalNetLimit": (size - missing) * network.weight // 100 + 100})
        units = total(devnet.chain.state, devnet.chain.parameters, BANDWIDTH).units(100 * TRX)
        assert units == size - missing
        devnet.send_trx(devnet.alice, devnet.bob.address, 1)
        assert devnet.account(devnet.alice.address).bandwidth.used == (0 if missing else size)


def test_staked_bandwidth_creates_accounts(devnet: Devnet) -> None:
    """Creating an account uses staked bandwidth in place of 0.1 TRX, and costs 1 TRX all the same."""
    devnet.freeze(devnet.alice, 400, resource=0)
    outcome = devnet.send_trx(devnet.alice, STRANGER, 5).outcome
    assert (outcome.net_used > 250, outcome.net_fee_sun, outcome.fee_sun) == (True, 0, 1_000_000)
