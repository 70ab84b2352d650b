"""What is wrong with a node for a while: the devnet's faults, and what only its network does."""

import random
from collections.abc import Sequence
from typing import Any, Final

from core.tron.address import Address
from tests.simulation.system import System

HEAVY_BYTES: Final = 20_000
"""What a contract returned in each heavy receipt: a megabyte would read no other way, and take fifty times as long."""
FAULTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("http_429", {}),
    ("http_500", {}),
    ("timeout", {}),
    ("drop_connection", {}),
    ("garbage", {}),
    ("stale", {"blocks": 12}),
    ("lagging", {"blocks": 6}),
    ("empty_infos", {}),
    ("empty_infos", {"path": "*solidity/*"}),
    ("empty_infos", {"path": "*solidity/*"}),
    ("heavy_infos", {"returned": HEAVY_BYTES}),
    ("empty_block", {}),
    ("no_block", {}),
    ("omit_tx", {}),
    ("early_solid", {"times": None, "blocks": 12}),
    ("early_solid", {"times": None, "blocks": 200}),
    ("forge_transfer", {}),
    ("forge_transfer", {}),
    ("slow_call", {}),
    ("accept_then_timeout", {}),
    ("accept_then_drop", {}),
    ("accept_then_code", {}),
    ("accept_then_code", {"code": "SERVER_BUSY"}),
    ("reject_code", {}),
    ("reject_code", {"code": "OTHER_ERROR"}),
    ("blackhole_tx", {}),
    ("wrong_txid", {}),
    ("trx_cache", {}),
    ("drips", {}),
    ("nested", {}),
)
NETWORKS: Final = ("drips", "nested")
"""What Backend does itself."""


def arm(system: System, draw: random.Random, ours: Sequence[Address]) -> None:
    """One of them at one node; what two would have to say alike to be believed is told by the first alone."""
    kind, fields = draw.choice(FAULTS)
    first, *others = system.backends.values()
    backend, times = draw.choice((first, first, *others)), draw.randint(1, 4)
    if kind in NETWORKS:
        setattr(backend, kind, getattr(backend, kind) + times)
        return
    if kind == "omit_tx":
        backend = first
    if kind == "forge_transfer":
        where = draw.choice(("", "*solidity/*"))
        backend, fields = (
            first,
            {"to": draw.choice(ours).base58, "amount_minor": draw.randint(1, 10**12), "path": where},
        )
    if kind == "early_solid" and draw.random() < 0.5:  # what all of them claim is no truer
        for each in others:
            each.faults.arm(kind, **fields)
        backend = first
    backend.faults.arm(kind, **({"times": times} | fields))
