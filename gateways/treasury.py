"""The treasury's steps and commands: how the settings become rules, and which workers make its transactions."""

from collections.abc import Sequence
from typing import Final

from core.treasury import Role
from core.tron import SUN_PER_TRX
from core.wallet_numbers import Floors
from gateways.keys import HeldKeys
from gateways.loop import Step
from gateways.platform import Platform
from gateways.settings import Settings
from signers.instructions import Instructions
from signers.instructions import Rules as InstructionRules
from signers.plan import Rules
from signers.sweeps import Sweeps
from signers.wallet_watch import WalletWatch

INSTRUCTION_LIFETIME_MS: Final = 60_000


def rules_of(settings: Settings) -> Rules:
    """When a sweep is worth it, by the settings."""
    return Rules(
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


def steps(platform: Platform, held: HeldKeys) -> Sequence[Step]:
    """What `counterfoil run sweeps` does."""
    settings, gas = platform.settings, held.wallet("gas")
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
    )
    watch = WalletWatch(
        platform.store,
        platform.node,
        platform.wallet_board,
        settings.usdt,
        floors_of(settings),
        platform.clock,
        alarm=platform.alarm,
    )
    return [sweeps.step, instructions.step, watch.step]
