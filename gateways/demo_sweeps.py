"""The demo's second half: two customers' coins are swept to the hot wallet, one paid by TRX, one by energy from stake."""

from typing import TYPE_CHECKING, Final

import httpx2
from rich.console import Console

from core.money import format_amount
from gateways import staking
from signers.plan import in_token

if TYPE_CHECKING:
    from gateways.demo import Journey

DEPOSIT: Final = "500.000000"
STAKE_TRX: Final = "10000"
_MEANS: Final = {
    "fuel": "by a pump, just the TRX that this transfer needs",
    "loan": "by delegation, energy lent and taken back",
    "own": "by what the address has itself",
}


def play(journey: "Journey", company: httpx2.Client) -> None:
    """A sweep before the operator has staked, and one after."""
    _sweep(journey, company, 43, "fuel")
    staking.freeze(journey.settings, "gas", "ENERGY", STAKE_TRX, Console(quiet=True))
    position = journey.position("instruction.confirmed/1", "instruction", "purpose", "stake", count=1)
    journey.story.tell(f"operator stakes {STAKE_TRX} TRX of the gas wallet for energy", position=position)
    _sweep(journey, company, 44, "loan")


def _sweep(journey: "Journey", company: httpx2.Client, customer: int, method: str) -> None:
    address = journey.payin(company, customer)
    txid = journey.faucet(address, usdt=DEPOSIT)
    journey.story.tell(f"customer {customer} sends {DEPOSIT} USDT", txid=txid)
    position = journey.position("sweep.planned/1", "sweep", "address", address, count=1)
    journey.story.tell(
        f"credited; more than {journey.settings.sweep_threshold} USDT: a sweep to the hot wallet is planned",
        position=position,
    )
    [planned] = journey.ask_operator(f"/v1/sweeps?address={address}&min_position={position}")["data"]
    position = journey.event(f"sweep-{planned['id']}", "sweep.confirmed/1")
    done = journey.ask_operator(f"/v1/sweeps/{planned['id']}?min_position={position}")
    cost = in_token(done["burned_sun"], journey.settings.minor(journey.settings.trx_price))
    if done["method"] != method:
        raise journey.mismatch(f"the sweep of {address} was paid by {done['method']}, expected {method}")
    journey.story.tell(
        f"swept {_MEANS[method]}: {done['burned']} TRX burned, about {format_amount(cost, 'USDT')} USDT",
        txid=done["tron_tx_hash"],
        position=position,
    )
