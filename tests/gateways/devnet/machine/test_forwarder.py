"""TRX that a contract hands on: it moves, no transaction says so, and receipts show it where the node keeps them."""

from collections.abc import Sequence
from typing import Any

import pytest

from core.tron.address import Address
from core.tron.grpc_messages import NUMBER, TRANSACTION_INFO_LIST
from core.tron.transactions import TRIGGER
from gateways.devnet.chain.block import Included
from gateways.devnet.http.ask import Ask
from gateways.devnet.http.calls.transactions import get_transaction_info_by_block_num
from gateways.devnet.machine.machine import Internal
from gateways.devnet.rpc import door
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast


def called(devnet: Devnet, signature: str, *words: bytes | int, value_sun: int = 0, **raw: Any) -> Included:
    parameter = {"contract_address": devnet.genesis.forwarder, "data": devnet.data(signature, *words)}
    return devnet.mined(devnet.signed(devnet.alice, TRIGGER, {**parameter, "call_value": value_sun}, **raw))


def forwarded(devnet: Devnet, *shares: tuple[Address, int], value_sun: int = 0, **raw: Any) -> Included:
    count = len(shares)
    words: Sequence[bytes | int] = [
        64,
        64 + 32 * (count + 1),
        *[count, *(to.evm for to, _ in shares)],
        *[count, *(amount for _, amount in shares)],
    ]
    return called(devnet, "forward(address[],uint256[])", *words, value_sun=value_sun, **raw)


def test_what_a_call_brings_is_handed_on(devnet: Devnet) -> None:
    """Each gets its share, what is left stays with the contract, the caller pays it all and the call's energy."""
    forwarder, before = devnet.genesis.forwarder, devnet.trx(devnet.alice.address) or 0
    outcome = forwarded(devnet, (STRANGER, 5), (devnet.bob.address, 2), (STRANGER, 5), value_sun=TRX).outcome
    assert outcome.result == "SUCCESS"
    assert outcome.internal == (
        Internal("call", forwarder, STRANGER, 5),
        Internal("call", forwarder, devnet.bob.address, 2),
        Internal("call", forwarder, STRANGER, 5),
    )
    assert (devnet.trx(STRANGER), devnet.trx(forwarder)) == (10, TRX - 12)
    assert devnet.trx(devnet.alice.address) == before - TRX - outcome.fee_sun


def test_a_destroyed_contract_s_coins_go_to_its_heir(devnet: Devnet) -> None:
    """All that it held, in one internal transaction."""
    forwarded(devnet, (STRANGER, 5), value_sun=TRX)
    [internal] = called(devnet, "destroy(address)", devnet.bob.address.evm).outcome.internal
    assert (internal.note, internal.receiver, internal.amount_sun) == ("suicide", devnet.bob.address, TRX - 5)
    assert devnet.trx(devnet.genesis.forwarder) == 0


def test_what_fails_moves_nothing(devnet: Devnet) -> None:
    """More than there is, too little energy, a call within that fails: nobody has got anything, each is rejected."""
    large = forwarded(devnet, (STRANGER, TRX - 1), (STRANGER, 2), value_sun=TRX).outcome
    starved = forwarded(devnet, (STRANGER, 5), (STRANGER, 5), value_sun=TRX, fee_limit=1_500_000).outcome
    inner = called(devnet, "attempt(address,uint256)", STRANGER.evm, 7, value_sun=TRX).outcome
    assert [it.result for it in (large, starved, inner)] == ["REVERT", "OUT_OF_ENERGY", "SUCCESS"]
    assert [[each.rejected for each in it.internal] for it in (large, starved, inner)] == [[True], [True], [True]]
    assert (devnet.trx(STRANGER), devnet.trx(devnet.genesis.forwarder)) == (None, TRX)


def test_a_token_called_by_a_contract_moves_no_trx(devnet: Devnet) -> None:
    """The call is an internal transaction, as java-tron keeps it, without an amount."""
    devnet.send_call(devnet.alice, "approve(address,uint256)", devnet.genesis.multisend.evm, 100)
    words: list[bytes | int] = [bytes(20), 96, 160, 1, STRANGER.evm, 1, 5]
    words[0] = bytes.fromhex("a614f803b6fd780986a42c78ec9c7f77e6ded13c")
    call = "send(address,address[],uint256[])"
    outcome = devnet.send_call(devnet.alice, call, *words, contract=devnet.genesis.multisend).outcome
    assert outcome.result == "SUCCESS"
    assert [(each.note, each.amount_sun) for each in outcome.internal] == [("call", 0)]


def test_receipts_show_it_where_the_node_keeps_it(devnet: Devnet) -> None:
    """JSON and gRPC print caller, receiver, value, note; one of two nodes may keep none, and its receipts are else the same."""
    forwarded(devnet, (STRANGER, 5), value_sun=5)
    height = devnet.chain.head.number

    def told(name: str) -> tuple[Any, Any]:
        path = f"/node/{name}/wallet/gettransactioninfobyblocknum"
        ask = Ask(devnet.node, {"num": height}, path=path)
        answered = door.answer(
            devnet.node, "/protocol.Wallet/GetTransactionInfoByBlockNum", NUMBER.encode({"num": height}), name
        )
        assert isinstance(answered, bytes)
        [by_grpc] = TRANSACTION_INFO_LIST.read(answered)["transactionInfo"]
        [by_json] = devnet.node.faults.distort(path, get_transaction_info_by_block_num(ask))
        return by_json, by_grpc

    devnet.node.faults.arm("no_internal", path="/node/bare")
    by_json, by_grpc = told("whole")
    [printed], [sent] = by_json.pop("internal_transactions"), by_grpc.pop("internal_transactions")
    assert printed == {
        "hash": sent["hash"].hex(),
        "caller_address": devnet.genesis.forwarder.hex(),
        "transferTo_address": STRANGER.hex(),
        "callValueInfo": [{"callValue": 5}],
        "note": b"call".hex(),
    }
    assert (sent["caller_address"], sent["transferTo_address"]) == (devnet.genesis.forwarder, STRANGER)
    assert (sent["callValueInfo"], sent["note"]) == ([{"callValue": 5}], b"call")
    assert told("bare") == (by_json, by_grpc)


def test_a_call_that_is_none_reverts(devnet: Devnet) -> None:
    """An unknown selector, and as many receivers as amounts are wanted."""
    assert called(devnet, "nothing()").outcome.result == "REVERT"
    words: list[bytes | int] = [64, 128, 1, STRANGER.evm, 0]
    assert called(devnet, "forward(address[],uint256[])", *words).outcome.result == "REVERT"
