"""The process `payouts`: builds, signs and broadcasts payouts, and sees them through."""

import importlib
from collections.abc import Sequence
from typing import Final

from core.tron.address import SUN_PER_TRX
from gateways.aws.names import FOR_NODE, GAS, HOT, SIGNER_STATE
from gateways.postgres.roles import READER, SIGNER
from gateways.processes.process import DATABASE, KEYS, NODE, SIGNER_LIMITS, Access, Deployment, Process
from gateways.queues import PAYOUT_REQUESTS
from gateways.steps import Step
from gateways.wiring.fences import open_guards, paced
from gateways.wiring.homes import open_homes
from gateways.wiring.keys import begin_rotation, open_keys, register
from gateways.wiring.leash import must_be_limited, open_leash
from gateways.wiring.opened import check_chain
from gateways.wiring.permissions import open_permissions
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> Sequence[Step]:
    from signers.outgoing.hot_wallet import PayoutRules
    from signers.outgoing.payouts import ACTOR, Payouts

    settings = platform.settings
    must_be_limited(settings)
    check_chain(platform)
    importlib.import_module(
        "tronpy.proto.tron_pb2"
    )  # the second opinion takes a second to load: not at the first payout
    held = open_keys(platform, awaited=True)
    guards = open_guards(platform, "payouts")
    register(platform, held)
    payouts = Payouts(
        platform.ledger,
        platform.store,
        platform.bookmarks,
        platform.queues[PAYOUT_REQUESTS],
        platform.node,
        platform.solid_log,
        platform.pool,
        held.wallet("hot"),
        settings.usdt,
        PayoutRules(
            lifetime_ms=settings.payout_expiration_s * 1000,
            fee_limit_sun_max=settings.fee_limit_max_trx * SUN_PER_TRX,
        ),
        leash=open_leash(platform),
        alarm=platform.alarm,
        opinion=platform.node,
        board=platform.lane_board,
        fence=guards.fence,
        caught_up=guards.caught_up,
        homes=open_homes(platform, held),
        keys=held.keys,
        permissions=open_permissions(platform),
    )
    rotation = begin_rotation(platform, held, "hot", ACTOR, guards.fence)
    return [platform.node.on_one(guards.step), platform.node.on_one(payouts.step), paced(rotation)]


PROCESS: Final = Process(
    "payouts",
    "Builds, signs and broadcasts payouts, and sees them through.",
    SIGNER,
    needs=(*DATABASE, *NODE, *KEYS, *SIGNER_LIMITS, "SIGNER_COLD_ADDRESS"),
    access=Access(
        receives=(PAYOUT_REQUESTS,),
        tables={SIGNER_STATE: ("GetItem", "PutItem")},
        reads_archive=True,
        secrets=(FOR_NODE,),
        logins=(SIGNER, READER),
        signs=(HOT,),
        knows=(HOT, GAS),
    ),
    deployment=Deployment(reaches=("nodes",)),
    steps=steps,
    follows_events=True,
    public_idle_s=1.5,
)
