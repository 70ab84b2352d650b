"""A devnet's controls over HTTP: forks, skipped slots, maintenance and the token's owner."""

from collections.abc import Callable
from typing import Any

import pytest

from core.tron.address import Address
from tests.gateways.devnet.client import Client
from tests.gateways.devnet.test_faults import TRANSFER
from tests.gateways.devnet.world import STRANGER

pytestmark = pytest.mark.fast


def reorg(client: Client, **body: Any) -> tuple[int, Any]:
    answer = client.http.post("/devnet/reorg", json=body)
    return answer.status_code, answer.json()


def test_reorg_call(client: Client) -> None:
    """/devnet/reorg says what was orphaned and what came instead; the node then tells the new blocks."""
    number = client.busy_block()
    left = client.block(number)
    status, answer = reorg(client, depth=1, keep_order=True)
    assert (status, answer["head"]) == (200, number)
    assert answer["orphaned"] == [left["blockID"]]
    now = client.block(number)
    assert answer["blocks"] == [now["blockID"]]
    assert [each["txID"] for each in now["transactions"]] == [each["txID"] for each in left["transactions"]]
    assert {each["blockTimeStamp"] for each in client.infos(number)} == {now["block_header"]["raw_data"]["timestamp"]}
    assert client.http.post("/wallet/getblockbyid", json={"value": left["blockID"]}).json() == {}


REFUSED: list[tuple[str, Callable[[Client], dict[str, Any]]]] = [
    ("depth must be between 1 and 18: block 10 is solid", lambda _: {"depth": 19}),
    ("depth must be between", lambda _: {}),
    ("For input string", lambda _: {"depth": "deep"}),
    ("drop must be a list", lambda _: {"depth": 1, "drop": "all"}),
    ("is in none of the newest 1 blocks", lambda _: {"depth": 1, "drop": ["00" * 32]}),
    ("blocks must be between", lambda _: {"depth": 1, "blocks": 0}),
]


@pytest.mark.parametrize(("sentence", "body"), REFUSED, ids=[row[0] for row in REFUSED])
def test_reorg_refusals(client: Client, sentence: str, body: Callable[[Client], dict[str, Any]]) -> None:
    """A fork that cannot be is a 400 with a sentence, and the head stays."""
    head = client.devnet.chain.head
    status, answer = reorg(client, **body(client))
    assert status == 400
    assert sentence in answer["error"]
    assert client.devnet.chain.head == head


def test_skipped_slots_and_maintenance(client: Client) -> None:
    """/devnet/mine can skip slots, and /devnet/maintenance makes two be skipped before every n-th block."""
    before = client.http.get("/devnet/info").json()
    after = client.post("/devnet/mine", blocks=2, skip_slots=3)
    assert (after["head"] - before["head"], after["head_timestamp_ms"] - before["head_timestamp_ms"]) == (2, 24_000)
    client.post("/devnet/maintenance", every_blocks=1)
    assert client.post("/devnet/mine")["head_timestamp_ms"] - after["head_timestamp_ms"] == 9_000


def balance_of(client: Client, holder: Address) -> int:
    return client.devnet.usdt(holder)


def test_owner_calls_by_http(client: Client) -> None:
    """/devnet/usdt pauses, blacklists, destroys, sets the fee and deprecates; each takes effect in the next block."""
    for body in (
        {"pause": True},
        {"unpause": True},
        {"blacklist": client.devnet.bob.address.base58},
        {"destroy": client.devnet.bob.address.base58},
        {"unblacklist": client.devnet.bob.address.base58},
        {"set_params": [10, 5]},
    ):
        client.post("/devnet/usdt", **body)
        (included,) = client.devnet.node.mine().included
        assert included.outcome.result == "SUCCESS", body
    assert balance_of(client, client.devnet.bob.address) == 0
    client.post("/devnet/usdt", deprecate=True)
    client.devnet.node.mine()
    outcome = client.devnet.send_call(client.devnet.alice, TRANSFER, STRANGER.evm, 100).outcome
    assert outcome.logs[0].address == client.devnet.genesis.successor.evm
    assert balance_of(client, STRANGER) == 100
