"""How far the scanner is behind the chain: a number for machines that watch, and a reason not to be ready."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.ports.scanning import Cursor
from core.tron.chain import BlockRef
from gateways.http.resources.health import SCANNER_LAG_S_MAX
from gateways.postgres.roles import OBSERVER
from gateways.wiring.platform import Platform
from scanners.observer import SOLID
from scanners.refusals import REFUSALS_MAX, BlockRefusals
from tests.gateways.http.harness import World, platform_of, settings_of
from tests.support.postgres import Database


@pytest.fixture
def scanner(api: World, database: Database, tmp_path: Path) -> Iterator[Platform]:
    """The observer's login."""
    platform = platform_of(database, settings_of(tmp_path), OBSERVER)
    yield platform
    platform.close()


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        yield conn


def scan(platform: Platform, number: int, age_s: int) -> None:
    """The observer has taken the block of this height, which the chain made so long ago."""
    block_id = f"{number:064x}"
    timestamp_ms = time.time_ns() // 1_000_000 - 1000 * age_s
    platform.solid_log.append(BlockRef(number, block_id, f"{number - 1:064x}", timestamp_ms), {})
    platform.cursors.save(SOLID, Cursor(number, block_id))


def lag_s(api: World) -> float:
    """What /metrics says."""
    lines = api.operator.get("/metrics").text.splitlines()
    [value] = [line.split()[1] for line in lines if line.startswith("counterfoil_scanner_lag_seconds ")]
    return float(value)


def test_a_scanner_that_lags_is_not_ready_however_busy_it_is(api: World, scanner: Platform) -> None:
    """Its cursor moved a moment ago, but to a block of long ago: /metrics tells the lag, /readyz refuses, both recover."""
    client = api.client("")
    assert str(lag_s(api)) == "nan"
    assert client.get("/readyz").status_code == 200  # a new installation has scanned nothing and is behind nothing
    scan(scanner, 7, age_s=SCANNER_LAG_S_MAX - 60)
    assert client.get("/readyz").status_code == 200
    scan(scanner, 8, age_s=SCANNER_LAG_S_MAX + 60)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    [wrong] = answer.json()["wrong"]
    assert re.fullmatch(r"the scanner is 6[6-8]\d s behind the chain, at block 8", wrong)
    assert SCANNER_LAG_S_MAX + 60 <= lag_s(api) < SCANNER_LAG_S_MAX + 90
    assert "counterfoil_scanner_block 8.0" in api.operator.get("/metrics").text
    scan(scanner, 9, age_s=60)
    assert client.get("/readyz").status_code == 200
    assert 60 <= lag_s(api) < 90


def test_a_scanner_that_stopped_before_its_first_block_is_not_ready(
    api: World, scanner: Platform, owner: psycopg.Connection
) -> None:
    """There is no block whose time could be told, so the cursor's own age counts."""
    scanner.cursors.save(SOLID, Cursor(7, "07" * 32))
    assert api.client("").get("/readyz").status_code == 200
    owner.execute("UPDATE chain_cursors SET updated_at = now() - interval '1 hour'")
    assert api.client("").get("/readyz").status_code == 503
    assert 3600 <= lag_s(api) < 3660


def test_a_clock_ahead_of_ours_is_no_lag(api: World, scanner: Platform) -> None:
    """A block from the future, as a chain that is turned by hand makes them, counts as new."""
    scan(scanner, 7, age_s=-500)
    assert api.client("").get("/readyz").status_code == 200
    assert lag_s(api) == 0


def test_a_scanner_that_refuses_a_block_is_not_ready_at_once(api: World, scanner: Platform) -> None:
    """The third refusal of a block makes /readyz say so, however young the last block is, until the block is passed."""
    client = api.client("")
    scan(scanner, 7, age_s=60)
    alarms: list[str] = []
    refusals = BlockRefusals(scanner.cursors, lambda name, sentence: alarms.append(name))
    for _ in range(REFUSALS_MAX - 1):
        refusals.count(8, Exception("no"))
    assert client.get("/readyz").status_code == 200
    refusals.count(8, Exception("no"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    [wrong] = answer.json()["wrong"]
    assert "refused block 8" in wrong
    assert alarms == ["block_refused"]
    scan(scanner, 8, age_s=60)
    assert client.get("/readyz").status_code == 200
