"""How far the scanner is behind the chain, and what is wrong with a node: numbers for machines, and reasons not to be ready."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from core.ports.node_states import NodeState, Trouble
from core.ports.scanning import Cursor
from core.tron.chain import BlockRef
from gateways.http.progress import _PLACES
from gateways.http.resources.health import SCANNER_LAG_S_MAX
from gateways.postgres.roles import OBSERVER
from gateways.wiring.platform import Platform
from scanners.observer import SOLID
from scanners.refusals import REFUSALS_MAX, BlockRefusals
from tests.gateways.http.harness import World, platform_of, settings_of, world
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


def state(place: int, trouble: Trouble = "", sentence: str = "", **more: int) -> NodeState:
    return NodeState(place=place, host=f"node{place}.example", trouble=trouble, sentence=sentence, **more)


BEHIND = "is 120 s behind the chain, at block 170, and stands there"


@pytest.mark.parametrize(
    ("states", "status", "wrong", "warnings"),
    [
        ([state(1), state(2)], 200, [], []),
        ([state(1, "behind", BEHIND)], 503, [f"node 1 of 1 (node1.example) {BEHIND}"], []),
        ([state(1), state(2, "behind", BEHIND)], 503, [f"node 2 of 2 (node2.example) {BEHIND}"], []),
        ([state(1), state(2, "behind", BEHIND), state(3)], 200, [], [f"node 2 of 3 (node2.example) {BEHIND}"]),
        (
            [state(1, "silent", "does not answer"), state(2, "lite", "is a lite node"), state(3, "behind", BEHIND)],
            503,
            ["node 1 of 3 (node1.example) does not answer", f"node 3 of 3 (node3.example) {BEHIND}"],
            ["node 2 of 3 (node2.example) is a lite node"],
        ),
    ],
    ids=["well", "the only one", "one of two", "one of three", "two of three"],
)
def test_a_node_s_trouble_is_named(
    api: World, scanner: Platform, states: list[NodeState], status: int, wrong: list[str], warnings: list[str]
) -> None:
    """Not ready where too few are left to agree on what is final, else a warning; the node by place and host."""
    scanner.node_board.put([state(place) for place in range(1, 5)])
    scanner.node_board.put(states)
    answer = api.client("").get("/readyz")
    assert answer.status_code == status
    assert (answer.json()["wrong"], answer.json()["warnings"]) == (wrong, warnings)


def test_one_node_of_real_coins_is_a_lasting_warning(database: Database, tmp_path: Path) -> None:
    """However well it is, /readyz says on mainnet that nobody contradicts it, until there is a second."""
    scanner = platform_of(database, settings_of(tmp_path), OBSERVER)
    with world(database, tmp_path, network="mainnet") as api:
        for states, warned in (([state(1)], True), ([state(1), state(2)], False)):
            scanner.node_board.put(states)
            answer = api.client("").get("/readyz").json()
            assert any("nobody contradicts it" in warning for warning in answer["warnings"]) is warned
    scanner.close()


def test_the_scanner_s_place_is_held_against_what_two_nodes_call_solid(scanner: Platform) -> None:
    """What one of several claims counts for nothing; two blocks more than the signatures show are no work that waits."""

    def waiting() -> list[int]:
        with psycopg.connect(scanner.reader_url, row_factory=namedtuple_row) as conn:
            return [row.waiting for row in conn.execute(_PLACES) if row.name == "the process observe"]

    scan(scanner, 100, age_s=60)
    for solids, expected in (((110,), 8), ((102,), 0), ((99,), 0), ((900, 110), 8), ((900, 103, 104), 2)):
        scanner.node_board.put([state(place, solid=solid) for place, solid in enumerate(solids, start=1)])
        assert waiting() == [expected]
    scanner.node_board.put([state(1, "silent", "does not answer")])
    assert waiting() == []
