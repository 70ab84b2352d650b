"""The process `sweeps`: sweeps deposit addresses, and makes the treasury's other transactions."""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from core.streams.treasury import Role
from core.streams.wallet_numbers import Floors
from core.tron.address import SUN_PER_TRX
from gateways.aws.names import FOR_NODE, FOR_SEED, GAS, HOT, SEED, SIGNER_STATE
from gateways.postgres.roles import READER, SIGNER
from gateways.processes.process import DATABASE, KEYS, NODE, Access, Deployment, Process
from gateways.settings import Settings
from gateways.steps import Step
from gateways.wiring.fences import open_guards, paced
from gateways.wiring.homes import open_homes
from gateways.wiring.keys import HeldKeys, begin_rotation, open_keys, register
from gateways.wiring.opened import check_chain
from gateways.wiring.permissions import open_permissions
from gateways.wiring.platform import Platform

if TYPE_CHECKING:
    from signers.sweeps.worth import SweepRules


INSTRUCTION_LIFETIME_MS: Final = 60_000


def rules_of(settings: Settings) -> "SweepRules":
    """When a sweep is worth it, by the settings."""
    from signers.sweeps.worth import SweepRules

    return SweepRules(
        threshold_minor=settings.minor(settings.sweep_threshold),
        cost_max_percent=settings.sweep_cost_max_percent,
        trx_price_minor=settings.minor(settings.trx_price),
        amount_max_minor=settings.minor(settings.sweep_max),
        open_max=settings.sweeps_open_max,
        gas_daily_max_sun=settings.gas_daily_max_trx * SUN_PER_TRX,
        hot_floor_minor=settings.minor(settings.hot_floor),
        hot_ceiling_minor=settings.minor(settings.hot_ceiling),
        left_over_min_sun=settings.left_over_trx * SUN_PER_TRX,
    )


def floors_of(settings: Settings) -> dict[Role, Floors]:
    """What rings when a wallet falls below it, by the settings."""
    hot = Floors(usdt_minor=settings.minor(settings.hot_floor), trx_sun=settings.hot_floor_trx * SUN_PER_TRX)
    return {"hot": hot, "gas": Floors(trx_sun=settings.gas_floor_trx * SUN_PER_TRX, energy=settings.energy_floor)}


def _workers(platform: Platform, held: HeldKeys) -> Sequence[Step]:
    """What sweeps deposit addresses, what makes other transactions, and what holds both back."""
    from signers.outgoing.instructions import ACTOR, InstructionRules, Instructions
    from signers.rotation.emptying import Emptying
    from signers.sweeps.sweeps import Sweeps

    settings, gas, guards = platform.settings, held.wallet("gas"), open_guards(platform, "sweeps")
    fee_limit_sun_max = settings.fee_limit_max_trx * SUN_PER_TRX
    sweeps = Sweeps(
        platform.ledger,
        platform.store,
        platform.bookmarks,
        platform.node,
        platform.pool,
        platform.holdings,
        gas.address,
        settings.usdt,
        rules_of(settings),
        fee_limit_sun_max=fee_limit_sun_max,
        interval_ms=settings.sweep_interval_s * 1000,
        alarm=platform.alarm,
    )
    instructions = Instructions(
        platform.ledger,
        platform.store,
        platform.bookmarks,
        platform.node,
        platform.solid_log,
        platform.pool,
        gas,
        held.keys,
        settings.usdt,
        InstructionRules(lifetime_ms=INSTRUCTION_LIFETIME_MS, fee_limit_sun_max=fee_limit_sun_max),
        alarm=platform.alarm,
        opinion=platform.node,
        fence=guards.fence,
        caught_up=guards.caught_up,
        homes=open_homes(platform, held, deposits=True),
        permissions=open_permissions(platform),
    )
    emptying = Emptying(
        platform.ledger,
        platform.store,
        platform.node,
        settings.usdt,
        rules_of(settings),
        sweeps.under_way,
        instructions.is_making,
        open_permissions(platform),
        alarm=platform.alarm,
    )
    rotation = begin_rotation(platform, held, "gas", ACTOR, guards.fence)
    return [guards.step, sweeps.step, instructions.step, paced(rotation), paced(emptying.step)]


def _watchers(platform: Platform) -> Sequence[Step]:
    """What watches the wallets and the deposit addresses."""
    from gateways.wiring.on_chain import DepositSight, WalletSight
    from projections.audit.deposit_balances import DepositBalances
    from projections.audit.wallet_balances import WalletBalances
    from signers.permission_watch import PermissionWatch
    from signers.wallet_watch import WalletWatch

    permissions = PermissionWatch(
        platform.ledger, platform.store, platform.node, open_permissions(platform), alarm=platform.alarm
    )
    watch = WalletWatch(
        platform.store,
        platform.node,
        platform.wallet_board,
        platform.settings.usdt,
        floors_of(platform.settings),
        platform.clock,
        alarm=platform.alarm,
    )
    held_against_books = WalletBalances(
        platform.store, WalletSight(platform), platform.wallet_board, platform.clock, alarm=platform.alarm
    )
    deposits_against_books = DepositBalances(
        platform.store, DepositSight(platform), platform.address_board, platform.clock, alarm=platform.alarm
    )
    return [permissions.step, watch.step, held_against_books.step, deposits_against_books.step]


def steps(platform: Platform) -> Sequence[Step]:
    check_chain(platform)
    importlib.import_module("tronpy.proto.tron_pb2")
    held = open_keys(platform, deposits=True, awaited=True)
    register(platform, held)
    return [platform.node.on_one(step) for step in (*_workers(platform, held), *_watchers(platform))]


PROCESS: Final = Process(
    "sweeps",
    "Sweeps deposit addresses, and makes the treasury's other transactions.",
    SIGNER,
    needs=(
        *DATABASE,
        *NODE,
        *KEYS,
        "SIGNER_COLD_ADDRESS",
        "SIGNER_APPROVERS",
        "SWEEP_THRESHOLD",
        "SWEEP_INTERVAL_S",
        "HOT_FLOOR",
        "HOT_CEILING",
        "GAS_FLOOR_TRX",
    ),
    access=Access(
        tables={SIGNER_STATE: ("GetItem", "PutItem")},
        reads_archive=True,
        secrets=(FOR_SEED, FOR_NODE),
        logins=(SIGNER, READER),
        signs=(GAS,),
        knows=(HOT, GAS),
        unwraps=(SEED,),
        payin_keys="signs",
    ),
    deployment=Deployment(reaches=("nodes",)),
    steps=steps,
    follows_events=True,
    public_idle_s=3.0,
)
