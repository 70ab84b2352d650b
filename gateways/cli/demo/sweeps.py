"""The demo's second half: two customers' coins are swept to the hot wallet, one paid by TRX, one by energy from stake."""

import io
from typing import Final

import httpx2

from core.ledger.money import format_amount
from gateways.cli import stake as staking
from gateways.cli.console import Output
from gateways.cli.demo.world import Mismatch, World, get
from signers.sweeps.worth import in_token

DEPOSIT: Final = "500.000000"
STAKE_TRX: Final = "10000"
_MEANS: Final = {
    "fuel": "by a pump, just the TRX that this transfer needs",
    "loan": "by delegation, energy lent and taken back",
    "own": "by what the address has itself",
}


def play(world: World, company: httpx2.Client) -> None:
    """A sweep before the operator has staked, and one after."""
    _sweep(world, company, 43, "fuel")
    staking.freeze(world.settings, "gas", "ENERGY", STAKE_TRX, Output(stream=io.StringIO()))
    position = world.position("instruction.confirmed/1", "instruction", "purpose", "stake", count=1)
    world.story.tell(f"operator stakes {STAKE_TRX} TRX of the gas wallet for energy", position=position)
    _sweep(world, company, 44, "loan")


def _sweep(world: World, company: httpx2.Client, customer: int, method: str) -> None:
    address = world.payin(company, customer)
    txid = world.faucet(address, usdt=DEPOSIT)
    world.story.tell(f"customer {customer} sends {DEPOSIT} USDT", txid=txid)
    position = world.position("sweep.planned/1", "sweep", "address", address, count=1)
    world.story.tell(
        f"credited; more than {world.settings.sweep_threshold} USDT: a sweep to the hot wallet is planned",
        position=position,
    )
    stream, position = world.swept(address)
    done = get(world.operator, f"/v1/sweeps/{stream.removeprefix('sweep-')}?min_position={position}")
    cost = in_token(done["burned_sun"], world.settings.minor(world.settings.trx_price))
    if done["method"] != method:
        raise Mismatch(f"the sweep of {address} was paid by {done['method']}, expected {method}")
    world.story.tell(
        f"swept {_MEANS[method]}: {done['burned']} TRX burned, about {format_amount(cost, 'USDT')} USDT",
        txid=done["tron_tx_hash"],
        position=position,
    )
