"""Decrees: what a test decides in the committee's and the world's place, from one block to the next.

A decree is a name and a number: a chain parameter; "factor:41..." for a contract's energy factor in 1/10000; "world:41..."
for the base energy that everybody else uses of it in every cycle; "ends:41..." for the contractResult with which calls of it
end in blocks, whatever their trial said: 10 OUT_OF_ENERGY, 11 OUT_OF_TIME, 0 as they do by themselves. A block brings its
decrees with it, so that they are kept, repeated and taken back like everything else; they count from the next block on, as a
vote does from the end of a maintenance block on.
"""

from collections.abc import Mapping
from typing import Final

from core.tron.address import Address, InvalidAddress
from core.tron.transactions import CONTRACT_RESULTS
from gateways.devnet.state import committee
from gateways.devnet.state.factor import Heat
from gateways.devnet.state.parameters import MAINNET
from gateways.devnet.state.state import Overlay, State

FACTOR: Final = "factor:"
WORLD: Final = "world:"
ENDS: Final = "ends:"
ENDINGS: Final = (0, CONTRACT_RESULTS.index("OUT_OF_ENERGY"), CONTRACT_RESULTS.index("OUT_OF_TIME"))
VALUE_MAX: Final = 2**63 - 1
_DIVISORS: Final = frozenset(
    {
        "getMaintenanceTimeInterval",
        "getTotalNetLimit",
        "getTotalEnergyCurrentLimit",
        "getEnergyFee",
        "getTransactionFee",
    }
)
"""Parameters that the chain divides by, or cannot do without."""

Decrees = Mapping[str, int]


def ending(state: State, contract: bytes) -> str:
    """With what calls of a contract end in blocks; "" for what they come to."""
    return str(state.get(("ends", contract)) or "")


class BadDecree(ValueError):
    """Nobody could decide this; the message says why."""


def check(decrees: Decrees) -> None:
    """Raises BadDecree."""
    if not decrees:
        raise BadDecree('name a parameter and its value, such as "getEnergyFee": 210')
    for name, value in decrees.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadDecree(f"{name}: {value!r} is no whole number")
        if not (name in _DIVISORS) <= value <= VALUE_MAX:
            raise BadDecree(f"{name} cannot be {value}")
        if name.startswith((FACTOR, WORLD, ENDS)):
            _contract(name)
            if name.startswith(ENDS) and value not in ENDINGS:
                raise BadDecree(f"{name}: {value} is neither OUT_OF_ENERGY (10) nor OUT_OF_TIME (11)")
        elif name not in MAINNET:
            raise BadDecree(f"{name} is no chain parameter: getchainparameters lists them")


def apply(state: Overlay, decrees: Decrees, at_ms: int) -> None:
    """Carry out decrees that were checked."""
    for name, value in decrees.items():
        if name.startswith(WORLD):
            state.set(("world", _contract(name)), value or None)
        elif name.startswith(FACTOR):
            state.set(("heat", _contract(name)), Heat(value, committee.cycle(state)))
        elif name.startswith(ENDS):
            state.set(("ends", _contract(name)), CONTRACT_RESULTS[value] if value else None)
    if changed := {name: value for name, value in decrees.items() if name in MAINNET}:
        committee.change(state, changed, at_ms)


def _contract(name: str) -> Address:
    try:
        return Address.from_hex(name.partition(":")[2])
    except InvalidAddress as error:
        raise BadDecree(f"{name}: {error}") from error
