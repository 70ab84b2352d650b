"""What calls cost in energy: the opcode prices each path through the USDT contract meets, and the dynamic penalty.

A path is a histogram, opcode price -> how often. The contract's energy factor (in 1/10000) makes every opcode dearer by
itself, rounding down each time, so a path's penalty cannot be had from its sum: 14,650 at factor 12,000 is 31,895.
"""

import functools
from collections.abc import Mapping
from typing import Final

from gateways.devnet.state.parameters import MAINNET

Path = tuple[tuple[int, int], ...]
"""(price of an opcode in energy, how often the path meets it)."""

FACTOR_UNIT: Final = 10_000
DEFAULT_FACTOR: Final = MAINNET["getDynamicEnergyMaxFactor"]
"""Mainnet's USDT is always hot: its factor stands at the maximum, 3.4, so its calls cost 4.4 times their base."""

STORE_NEW: Final = 20_000
"""SSTORE into an absent slot."""

STORE: Final = 5_000
"""Any other SSTORE, clearing included: nothing is refunded."""


def _path(text: str) -> Path:
    """ "3*477 50" -> 477 opcodes of 3 energy and one of 50."""
    pairs = (opcode.partition("*") for opcode in text.split())
    return tuple((int(price), int(times or 1)) for price, _, times in pairs)


# Recorded paths: an interpreter of the contract reproduces mainnet's receipts with them, to the unit.

BALANCE_OF: Final = _path("1*14 2*17 3*152 5*2 7 8*4 10*22 20 42 50*2")
TRANSFER: Final = _path("1*55 2*60 3*477 5*7 7 8*18 10*41 20*2 42*6 50*8 1756 5000*2")
TRANSFER_ZERO: Final = _path("1*52 2*59 3*464 5*5 7 8*19 10*39 20*2 42*6 50*8 1756 5000*2")
TRANSFER_WITH_FEE: Final = _path("1*78 2*80 3*652 5*8 7 8*24 10*46 20*2 42*11 50*12 1756*2 5000*4")
TRANSFER_FROM: Final = _path("1*74 2*62 3*577 5*7 7 8*18 10*30 20*2 42*14 50*11 1756 5000*3")
TRANSFER_FROM_UNLIMITED: Final = _path("1*63 2*56 3*497 5*7 7 8*16 10*29 20*2 42*10 50*10 1756 5000*2")
TRANSFER_FROM_ZERO: Final = _path("1*71 2*61 3*564 5*5 7 8*19 10*28 20*2 42*14 50*11 1756 5000*3")
APPROVE: Final = _path("1*20 2*24 3*162 5*3 7 8*4 10*10 20*2 42*2 50*2 1756 5000")
REVERT_BALANCE: Final = _path("1*30 2*32 3*321 5*7 8*11 10*38 20*2 42*2 50*6")
REVERT_BLACKLISTED: Final = _path("1*8 2*12 3*173 5*3 8 10*29 20 42 50*2")
REVERT_ZERO_ADDRESS: Final = _path("1*27 2*31 3*301 5*7 8*11 10*37 20*2 42 50*5")
REVERT_SELECTOR: Final = _path("1 2 3*145 5 10*35")

TRANSFER_TAIL: Final = _path("2*21 3*60 10 1756")
"""What a transfer meets after its second SSTORE: with it, running out of energy there bills a recorded penalty exactly."""

VIEW: Final = _path("1*8 2*10 3*150 10*22 50*2")
OWNER_CALL: Final = _path("1*20 2*20 3*180 5*2 10*35 42 50*3")
"""Getters, and the owner's calls before their stores and logs: nobody recorded these; the order of magnitude is right."""


def storing(path: Path, *, new: int = 0, changed: int = 0) -> Path:
    """The path with further SSTOREs: `new` into absent slots, `changed` into others."""
    return _with(path, {STORE_NEW: new, STORE: changed})


def into_new(path: Path) -> Path:
    """The same path when one of the slots it stores into is absent: what makes a new holder cost 15,000 more."""
    return _with(path, {STORE_NEW: 1, STORE: -1})


def logging(path: Path, *, topics: int, data_bytes: int) -> Path:
    """The path with one more LOG."""
    return _with(path, {375 + 375 * topics + 8 * data_bytes: 1})


@functools.cache
def around_store(path: Path, store: int) -> tuple[Path, Path, Path]:
    """A transfer's path in three: what comes before its second SSTORE, that SSTORE, what comes after."""
    rest = {price: -times for price, times in TRANSFER_TAIL}
    return _with(_with(path, rest), {store: -1}), ((store, 1),), TRANSFER_TAIL


@functools.cache
def cost(path: Path, factor: int) -> tuple[int, int]:
    """-> (energy in all, penalty included; the penalty) of a path in a contract with this factor."""
    base = sum(price * times for price, times in path)
    total = sum(price * (FACTOR_UNIT + factor) // FACTOR_UNIT * times for price, times in path)
    return total, total - base


def _with(path: Path, extra: Mapping[int, int]) -> Path:
    counts = dict(path)
    for price, times in extra.items():
        counts[price] = counts.get(price, 0) + times
    return tuple(sorted((price, times) for price, times in counts.items() if times))
