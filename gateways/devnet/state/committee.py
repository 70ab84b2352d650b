"""What the committee decides: the chain's parameters and their history, and the maintenance cycles that count time.

All of it stands in the state, so a fork takes it back with the blocks.
"""

from collections.abc import Mapping
from typing import Final

from gateways.devnet.state.parameters import MAINNET, Parameters
from gateways.devnet.state.state import Overlay, State

PRICES: Final = {"energy": "getEnergyFee", "bandwidth": "getTransactionFee", "memo": "getMemoFee"}
_FIRST_PRICES: Final = {"energy": 100, "bandwidth": 10, "memo": 0}


def parameters(state: State) -> Parameters:
    known: Parameters = state.get(("parameters",)) or MAINNET
    return known


def cycle(state: State) -> int:
    """The maintenance period, counted from 1."""
    return int(state.get(("cycle",)) or 1)


def next_maintenance_ms(state: State) -> int:
    return int(state.get(("maintenance",)) or 0)


def prices(state: State, kind: str) -> str:
    """A price's history as java-tron tells it: "ms:price,ms:price"."""
    return str(state.get(("prices", kind)) or "")


def begin(state: Overlay, values: Parameters, at_ms: int) -> None:
    """The first parameters, and the end of the first cycle."""
    state.set(("parameters",), dict(values))
    state.set(("cycle",), 1)
    state.set(("maintenance",), _boundary_after(at_ms, values["getMaintenanceTimeInterval"]))
    for kind, name in PRICES.items():
        state.set(("prices", kind), f"0:{_FIRST_PRICES[kind]},{at_ms}:{values[name]}")


def turn(state: Overlay, number: int, at_ms: int) -> None:
    """Begin a new cycle at the end of a block whose time has come.

    The first block begins none, whenever it comes: java-tron does the same.
    """
    if at_ms < next_maintenance_ms(state):
        return
    if number > 1:
        state.set(("cycle",), cycle(state) + 1)
    state.set(("maintenance",), _boundary_after(at_ms, parameters(state)["getMaintenanceTimeInterval"]))


def change(state: Overlay, changed: Mapping[str, int], at_ms: int) -> None:
    """New values of parameters, in force from now on."""
    for kind, name in PRICES.items():
        if name in changed:
            state.set(("prices", kind), f"{prices(state, kind)},{at_ms}:{changed[name]}")
    state.set(("parameters",), {**parameters(state), **changed})


def _boundary_after(at_ms: int, interval_ms: int) -> int:
    return at_ms // interval_ms * interval_ms + interval_ms
