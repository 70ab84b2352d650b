"""Blocks of a real java-tron with transactions made by hand: read as java-tron executed them.

java_tron.jsonl holds one block a line as a node of May 2025 answered it (visible=false, `raw_data` left out), its receipts,
its stored bytes, and beside it what moved and whether JSON shows the block whole. What moved was asked of the balances of those
it names, on the same node; V lines are of a chain whose token has another address, and whose node keeps internal transactions.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from core.tron.address import Address
from core.tron.chain import Block, Receipt
from core.tron.transactions import only_contract, owner_of
from gateways.tron.node_json import BlockAnswer, block_of, read
from gateways.tron.receipt_stream import ReceiptStream
from scanners.blocks import NotWhole, WrongReceipt, check, check_receipts, transfers
from scanners.notices import addresses_in, sent_by_us, unreadable

pytestmark = pytest.mark.fast

TOKEN: Final = bytes.fromhex("4db0ee6646e72bd3de2bc6b78c319dc114037900")
OURS: Final = bytes.fromhex("11ba4f4ea7096c0c1656916e9c2e18f4d23dd873")
SHOWN: Final = [json.loads(line) for line in Path(__file__).with_name("java_tron.jsonl").read_text().splitlines()]
HIDDEN: Final = {
    "A03_unknown_varint3",
    "A04_group_in_transaction",
    "A06_unknown_by_p2p",
    "A11_ret_unknown_p2p",
    "A13_ret_group",
    "G02_p2p_wire_unknown",
}
"""Whose bytes hold what JSON does not show."""


def token_of(shown: Any) -> bytes:
    """The token's 20 bytes on the chain that the block is of."""
    return bytes.fromhex(shown["token"]) if "token" in shown else TOKEN


def answered(shown: Any) -> tuple[Block, Sequence[Receipt]]:
    block = block_of(read(json.dumps(shown["block"]).encode(), BlockAnswer))
    assert block is not None
    stream = ReceiptStream()
    stream.feed(json.dumps(shown["infos"]).encode())
    return block, stream.end()


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["name"])
def test_a_recorded_block_moves_what_java_tron_moved(shown: Any) -> None:
    """Each transfer is found with its ends and amount, nothing else is, and no receipt denies the block."""
    block, receipts = answered(shown)
    check_receipts(block, receipts)
    moved = [
        [t.sender.hex(), t.receiver.hex(), t.amount_minor, t.currency]
        for t in transfers(block, receipts, token_of(shown))
    ]
    assert moved == shown["moves"]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["name"])
def test_a_recorded_block_proves_itself_as_far_as_json_shows_it(shown: Any) -> None:
    """Everything that is shown of `ret` is put back; only unknown fields hide, and then all but the root holds."""
    block, _ = answered(shown)
    assert shown["whole"] == (shown["name"] not in HIDDEN)
    if shown["whole"]:
        check(block)
        return
    with pytest.raises(NotWhole):
        check(block)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["name"])
def test_every_owner_in_a_recorded_block_is_among_the_candidates(shown: Any) -> None:
    """The owner is read, asked about, and found to be ours where it is; nothing recorded is unreadable."""
    block, _ = answered(shown)
    owners = {
        Address(owner_of(name, parameter)).evm
        for _, name, parameter in (only_contract(each.raw_data) for each in block.transactions)
    }
    assert owners <= addresses_in(block)
    wallets = dict.fromkeys(owners, "hot")
    assert [sent.txid for sent in sent_by_us(block, wallets)] == [each.txid for each in block.transactions]
    assert unreadable(block, dict.fromkeys(addresses_in(block), "payin")) == []


def test_amounts_say_which_transfer_of_two_was_meant() -> None:
    """The last receiver, the last amount and the last value count; a forged event of another contract is nothing."""
    moves = {shown["name"]: shown["moves"] for shown in SHOWN}
    assert moves["B13_dup_to"][0][1] != OURS.hex()
    assert moves["B14_dup_to2"][0][1:3] == [OURS.hex(), 2013]
    assert moves["B15_dup_amount"][0][1:3] == [OURS.hex(), 2014]
    assert moves["C16_dup_any_value"][0][1:3] == [OURS.hex(), 2043]
    assert moves["B26_prefix_unicode"][0][1:3] == [OURS.hex(), 2025]
    assert moves["D03_fake_event"] == moves["D15_revert_balance"] == moves["D16_out_of_energy"] == []


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["name"])
def test_a_receipt_that_denies_the_block_is_named(shown: Any) -> None:
    """Success made failure, failure made success, or a result left out: WrongReceipt, each (FAILURES 42)."""
    block, receipts = answered(shown)
    for place, receipt in enumerate(receipts):
        lies = [{"failed": not receipt.failed}]
        if receipt.result:
            lies += [{"result": ""}, {"result": "REVERT" if receipt.result == "SUCCESS" else "SUCCESS"}]
        for lie in lies:
            told = [*receipts[:place], msgspec.structs.replace(receipt, **lie), *receipts[place + 1 :]]
            with pytest.raises(WrongReceipt):
                check_receipts(block, told)


def odd(ret: Any) -> bytes:
    """The bytes of a transaction's tail, with this ret in its JSON."""
    [shown] = [shown for shown in SHOWN if shown["name"] == "A00_plain"]
    transaction = {**shown["block"]["transactions"][0], "ret": [ret]}
    block = block_of(read(json.dumps({**shown["block"], "transactions": [transaction]}).encode(), BlockAnswer))
    assert block is not None
    tail = block.transactions[0].tail
    assert tail is not None
    return tail


@pytest.mark.parametrize(
    ("ret", "data"),
    [
        ({"contractRet": "SUCCESS", "fee": -1, "ret": "UNKNOWN_ENUM_VALUE_code_7"}, "08ffffffffffffffffff0110071801"),
        ({"contractRet": "UNKNOWN_ENUM_VALUE_contractResult_99"}, "1863"),
        ({"contractRet": "SUCCESS", "unfreeze_amount": 1_000_000_000}, "180180018094ebdc03"),
        ({"withdraw_amount": 1, "withdraw_expire_amount": 2}, "7801d80102"),
        ({"exchange_received_amount": 1, "exchange_inject_another_amount": 2}, "900101980102"),
        ({"exchange_withdraw_another_amount": 3, "exchange_id": 4}, "a00103a80104"),
        ({"orderId": "aabb", "assetIssueID": "1000001"}, "720731303030303031ca0102aabb"),
        ({"orderDetails": [{"makerOrderId": "01", "fillBuyQuantity": 5}]}, "d201050a01012005"),
        ({"cancel_unfreezeV2_amount": [{"key": "ENERGY", "value": 0}]}, "e2010a0a06454e455247591000"),
        ({"contractRet": "SUCCESS", "something_new": 5}, "1801"),
        ({"fee": "text", "ret": 2**70, "orderId": "no hex", "orderDetails": 5}, ""),
    ],
    ids=str,
)
def test_what_json_shows_of_ret_is_put_back(ret: Any, data: str) -> None:
    """Every field that java-tron prints becomes its bytes again; what is no such field is left out, and the root will tell."""
    body = bytes.fromhex(data)
    assert odd(ret) == b"\x2a" + bytes([len(body)]) + body
