"""Which wallets make which kind of instruction, and to whom."""

from collections.abc import Mapping
from typing import Final

from core.streams.instructions import Purpose

DIRECTIONS: Final[Mapping[Purpose, tuple[frozenset[str], frozenset[str]]]] = {
    "sweep": (frozenset({"payin"}), frozenset({"hot", "cold", "gas"})),
    "fuel": (frozenset({"gas"}), frozenset({"payin", "hot"})),
    "loan": (frozenset({"gas"}), frozenset({"payin", "hot"})),
    "loan_return": (frozenset({"gas"}), frozenset({"payin", "hot"})),
    "excess": (frozenset({"hot"}), frozenset({"cold"})),
    "refill": (frozenset({"cold"}), frozenset({"hot"})),
    "stake": (frozenset({"gas", "hot"}), frozenset()),
    "evacuation": (frozenset({"hot"}), frozenset({"cold"})),
    "rotation": (frozenset({"hot", "gas"}), frozenset({"hot", "gas", "payin"})),
}
"""Of each kind of instruction: which wallets make it, and whom it may go to, as the address pool knows them."""
