"""What a real java-tron answered to requests of every kind, the devnet answers.

java_tron_requests.jsonl holds one a line: $alice and $bob have TRX and nothing else, $nobody has no account; a body's place in
an error counts their hex. `status` stands where it is not 200. A java-tron of May 2025 answered.
"""

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest

from core.tron.address import Address
from core.tron.secp256k1 import sha256
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.http import door
from gateways.devnet.requests import NodeAnswer, Request
from tests.gateways.devnet.world import Devnet

pytestmark = pytest.mark.fast

ASKED: Final = [
    json.loads(line) for line in Path(__file__).with_name("java_tron_requests.jsonl").read_text().splitlines()
]


@pytest.fixture(scope="module")
def devnet() -> Devnet:
    return Devnet()


def names(devnet: Devnet) -> dict[str, str]:
    """What stands in a recorded request -> what it is here."""
    nobody = Address.from_evm(sha256(b"nobody at all")[:20])
    return {
        "$visible_alice": devnet.alice.address.base58,
        "$visible_bob": devnet.bob.address.base58,
        "$alice": devnet.alice.address.hex(),
        "$bob": devnet.bob.address.hex(),
        "$nobody": nobody.hex(),
        "$producer": devnet.genesis.producers[0].address.hex(),
        "$token": USDT.hex(),
    }


def kind_of(answer: Any) -> Any:
    """An answer as it was recorded: what depends on the chain by its name, messages as text."""
    if not isinstance(answer, dict):
        return answer
    if "txID" in answer:
        return "built"
    if "blockID" in answer:
        return "a block"
    if {"address", "balance"} <= answer.keys():
        return "an account"
    result = answer.get("result")
    if isinstance(result, dict) and "message" in result:
        return {"result": {**result, "message": bytes.fromhex(result["message"]).decode()}}
    return answer


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked['method']} {asked['path']} {asked['body'][:60]}")
def test_a_request_is_answered_as_java_tron_answered_it(devnet: Devnet, asked: dict[str, Any]) -> None:
    """The same status, the same words with the same place, or the same kind of thing."""
    known, body = names(devnet), asked["body"]
    for name, value in known.items():
        body = body.replace(name, value)
    path, _, query = asked["path"].partition("?")
    answered = door.answer(devnet.node, Request(asked["method"], path, dict(parse_qsl(query)), body.encode()))
    assert isinstance(answered, NodeAnswer)
    assert answered.status == asked.get("status", 200)
    if "status" in asked or asked["method"] == "OPTIONS":
        return
    answer = kind_of(json.loads(answered.body))
    printed = json.dumps(answer)
    for name, value in known.items():
        printed = printed.replace(value, name)
    assert json.loads(printed) == asked["answer"]
