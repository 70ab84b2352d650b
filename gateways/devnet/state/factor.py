"""The dynamic energy factor: a contract used above the threshold in a maintenance cycle grows dearer, an idle one cheaper.

A contract is brought up to date by the first call of a new cycle. java-tron knows a busy contract by its calls alone; a
devnet has few, so the use that the rest of the world makes of a contract can be named, per cycle.
"""

from typing import Final

import msgspec

from gateways.devnet.state import committee
from gateways.devnet.state.parameters import Parameters
from gateways.devnet.state.state import Overlay, State

UNIT: Final = 10_000
DECREASE: Final = 4
"""A quiet cycle takes back a quarter of what a busy one adds."""


class Heat(msgspec.Struct, frozen=True):
    """A contract's factor in 1/10000 as of a cycle, and the base energy used in that cycle, penalties not counted."""

    factor: int = 0
    cycle: int = 0
    used: int = 0


def heat_of(state: State, contract: bytes) -> Heat:
    """The contract's heat in the cycle of this state."""
    return caught_up(
        state.get(("heat", contract)) or Heat(),
        committee.cycle(state),
        committee.parameters(state),
        state.get(("world", contract)) or 0,
    )


def add_use(state: Overlay, contract: bytes, heat: Heat, energy: int) -> None:
    """Count a call's base energy; `heat` is what the call began with."""
    kept = state.get(("heat", contract))
    if kept is not None and kept.cycle == heat.cycle:
        heat = kept  # the contract may have been called again meanwhile
    state.set(("heat", contract), msgspec.structs.replace(heat, used=heat.used + energy))


def caught_up(heat: Heat, cycle: int, parameters: Parameters, world: int = 0) -> Heat:
    """The heat in this cycle; `world` is the energy that others use in every cycle."""
    if heat.cycle == cycle:
        return heat
    if not 0 < heat.cycle < cycle:
        return Heat(cycle=cycle)
    if not world:
        return _caught_up(heat, cycle, parameters)
    while heat.cycle < cycle:
        before = msgspec.structs.replace(heat, used=heat.used + world)
        heat = _caught_up(before, heat.cycle + 1, parameters)
        if heat.factor == before.factor and before.used == world:
            return Heat(heat.factor, cycle)  # every further cycle does the same
    return heat


def _caught_up(heat: Heat, cycle: int, parameters: Parameters) -> Heat:
    """java-tron's own rule: up once if the last cycle was busy, then down for every cycle since."""
    increase, factor, last = parameters["getDynamicEnergyIncreaseFactor"], heat.factor, heat.cycle
    if heat.used > parameters["getDynamicEnergyThreshold"]:
        last += 1
        raised = int((factor + UNIT) * (1 + increase / UNIT)) - UNIT
        factor = min(parameters["getDynamicEnergyMaxFactor"], raised)
    if cycle > last:
        lowered = int((factor + UNIT) * (1 - increase / DECREASE / UNIT) ** (cycle - last)) - UNIT
        factor = max(0, lowered)
    return Heat(factor, cycle)
