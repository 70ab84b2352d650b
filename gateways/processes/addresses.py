"""The process `addresses`: keeps deposit addresses ready."""

from collections.abc import Sequence
from typing import Final

from gateways.aws.names import FOR_NODE, FOR_SEED, GAS, HOT, SEED, SIGNER_STATE
from gateways.postgres.roles import SIGNER
from gateways.processes.process import DATABASE, KEYS, Access, Deployment, Process
from gateways.steps import Step
from gateways.wiring.fences import open_fence, paced, said
from gateways.wiring.keys import deposit_addresses, open_keys, registration
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> Sequence[Step]:
    from signers.address_door import Doorkeeper
    from signers.caught_up import CaughtUp

    held = open_keys(platform, deposits=True)
    fence = open_fence(platform, "addresses")
    register = registration(platform, held)
    register()
    # The chain's clock is nobody's here: who signs rings when reading it takes long.
    caught_up = CaughtUp(platform.cursors, platform.outstanding, alarm=platform.alarm)
    deposits = deposit_addresses(platform, held)
    want, door = platform.settings.address_pool, platform.address_door
    keeper = Doorkeeper(fence, caught_up, platform.store, platform.pool, door, want, deposits.first_free)
    return [paced(register), paced(deposits.rotate), paced(said(keeper.step, fence)), deposits.make]


PROCESS: Final = Process(
    "addresses",
    "Keeps deposit addresses ready.",
    SIGNER,
    needs=(*DATABASE, *KEYS, "ADDRESS_POOL"),
    access=Access(
        tables={SIGNER_STATE: ("GetItem", "PutItem")},
        reads_archive=True,
        secrets=(FOR_SEED, FOR_NODE),
        logins=(SIGNER,),
        knows=(HOT, GAS),
        unwraps=(SEED,),
        payin_keys="makes",
    ),
    deployment=Deployment(),
    steps=steps,
)
