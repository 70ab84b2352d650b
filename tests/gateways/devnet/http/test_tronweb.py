"""tronweb, the official JavaScript client, unmodified, against a devnet over HTTP.

Runs where `node` is and TRONWEB names a folder that holds tronweb's node_modules (`npm install tronweb@6` there), or one
lies in this project or in ~/.cache/tronweb; elsewhere it is skipped and says so.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from gateways.devnet.node import Config
from gateways.devnet.server import Devnet

JOURNEY: Final = Path(__file__).with_name("tronweb_journey.cjs")
PATIENCE_SECONDS: Final = 120
PLACES: Final = (
    os.environ.get("TRONWEB", ""),
    str(Path(__file__).parents[4]),
    str(Path.home() / ".cache" / "tronweb"),
)

EXPECTED: Final[dict[str, Any]] = {
    "connected": {"fullNode": True, "solidityNode": True, "eventServer": True},
    "own_address": True,
    "balance": 1_000_000_000_000,
    "nobody": {},
    "trx_sent": True,
    "memo_sent": True,
    "same_txid": True,
    "extended_sent": True,
    "trx_fee": 1_100_000,
    "memo_fee": 1_000_000,
    "not_yet_solid": {},
    "solid_receipt": True,
    "transaction": "SUCCESS",
    "stranger_balance": 5,
    "symbol": "USDT",
    "decimals": 6,
    "estimated_energy": 130_285,
    "usdt_energy": 130_285,
    "usdt_result": "SUCCESS",
    "usdt_logs": 1,
    "from_result": "SUCCESS",
    "usdt_balance": "25000004",
    "event": {"name": "Transfer", "result": "25000000"},
    "events": 2,
    "block": True,
    "by_hash": True,
    "range": 5,
    "parameters": 80,
    "witnesses": 27,
    "bandwidth": 600,
    "resources": 600,
    "contract": "TetherToken",
    "update_sent": True,
    "threshold": 2,
    "weight": 1,
    "half_signed": "SIGERROR",
    "both_signed": True,
    "too_much": "CONTRACT_VALIDATE_ERROR",
    "expected_revert": "REVERT opcode executed",
}


@pytest.fixture
def tronweb() -> Path:
    """tronweb's installed folder."""
    for place in filter(None, PLACES):
        installed = Path(place) / "node_modules" / "tronweb"
        if (installed / "package.json").exists():
            return installed
    pytest.skip("tronweb is not installed: npm install tronweb@6 in a folder, and set TRONWEB to it")


def test_tronweb_journey(tronweb: Path) -> None:
    """tronweb sends TRX and USDT, with memo, approval and two signatures, and reads back what mainnet would tell it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    with Devnet(Config(paused=True)) as devnet:
        ended = subprocess.run(
            [node, str(JOURNEY), str(tronweb), devnet.url],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == EXPECTED
