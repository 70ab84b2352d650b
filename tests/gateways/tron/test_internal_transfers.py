"""TRX that contracts hand on, read from receipts: by JSON and by gRPC alike, whatever a stranger puts beside it."""

import json
import tracemalloc
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tron.chain import InternalTransfer, Receipt
from core.tron.grpc_messages import TRANSACTION_INFO_LIST
from gateways.devnet.rpc.messages import transaction_infos
from gateways.tron import receipt_bytes, receipt_stream
from gateways.tron.internal_transfers import INTERNAL_MAX, InternalTransfers
from tests.gateways.tron.test_java_tron import SHOWN
from tests.gateways.tron.test_large_answers import streamed
from tests.support.chain import person

pytestmark = pytest.mark.fast

MIB: Final = 1024 * 1024
TXID: Final = "ab" * 32
CALLER, US = person(30), person(31)
NOTES: Final = ("call", "create", "suicide", "delegateResourceOfEnergy", "withdrawExpireUnfreezeWhileSuiciding", "")


def internal(amount: int = 5, note: str = "call", *, to: str = US.hex(), **others: Any) -> dict[str, Any]:
    """As java-tron prints it."""
    value = {"callValue": amount} if amount else {}
    printed = {"hash": TXID, "caller_address": CALLER.hex(), "transferTo_address": to, "callValueInfo": [value]}
    return {**printed, **({"note": note.encode().hex()} if note else {}), **others}


def info(*found: dict[str, Any]) -> dict[str, Any]:
    return {"id": TXID, "blockNumber": 7, "receipt": {"result": "SUCCESS"}, "internal_transactions": list(found)}


def read(*found: dict[str, Any], piece: int = 1 << 30) -> list[tuple[int, int]]:
    """(place, sun) of what is read, the same by JSON and by gRPC."""
    infos = [info(*found)]
    by_json = streamed(json.dumps(infos).encode(), piece=piece)
    assert list(receipt_bytes.receipts_of(transaction_infos(infos))) == by_json
    return [(each.place, each.amount_sun) for each in by_json[0].internal]


def test_a_value_is_read_with_its_ends_and_place() -> None:
    """The caller's 20 bytes, the receiver's, sun, and its place; those without sun have a place, too."""
    [receipt] = streamed(json.dumps(info(internal(0), internal(5), internal(7))).encode())
    expected = (InternalTransfer(1, CALLER.evm, US.evm, 5), InternalTransfer(2, CALLER.evm, US.evm, 7))
    assert receipt.internal == expected
    assert read(internal(0), internal(5), internal(7)) == [(1, 5), (2, 7)]


@pytest.mark.parametrize(
    "nothing",
    [
        internal(0),
        internal(5, rejected=True),
        internal(5, to=CALLER.hex()),
        internal(5, to=""),
        internal(-5),
        {**internal(5), "callValueInfo": [{}, {"callValue": 5, "tokenId": "1000001"}]},
        {**internal(5), "callValueInfo": [{"callValue": 5, "tokenId": "1000001"}]},
        {**internal(5), "callValueInfo": []},
    ],
    ids=["no sun", "rejected", "to itself", "to nobody", "less than none", "a token's", "a token's alone", "no value"],
)
def test_what_moves_no_trx_has_a_place_alone(nothing: dict[str, Any]) -> None:
    """It is left out, and what follows keeps its place."""
    assert read(nothing, internal(9)) == [(1, 9)]


def test_places_are_the_same_whatever_else_a_node_keeps() -> None:
    """A contract's staking and voting, which a node keeps with saveFeaturedInternalTx alone, has no place and moves nothing."""
    featured = [internal(10**9, note) for note in NOTES[3:]]
    for note in NOTES[:3]:
        plain = [internal(1, note), internal(2, note)]
        assert read(*plain) == read(featured[0], plain[0], *featured, plain[1]) == [(0, 1), (1, 2)]


def sun_of(internal: dict[str, Any]) -> list[int]:
    """What java-tron says that it moved, token units apart; nothing of what was rejected, or of a transaction that failed."""
    return [it["callValue"] for it in internal["callValueInfo"] if "callValue" in it and not internal.get("rejected")]


@pytest.mark.parametrize(
    "shown", [it for it in SHOWN if "internal_transactions" in str(it["infos"])], ids=lambda it: it["name"]
)
def test_a_recorded_receipt_moves_what_its_calls_say(shown: dict[str, Any]) -> None:
    """java-tron's own: calls without a value, in contracts of contracts, reverted halfway, and TRX handed on by a contract."""
    found = streamed(json.dumps(shown["infos"]).encode())
    told = [[sun for it in info.get("internal_transactions", []) for sun in sun_of(it)] for info in shown["infos"]]
    assert [[each.amount_sun for each in receipt.internal] for receipt in found] == told


internals = st.builds(
    internal,
    st.sampled_from((0, 1, 5, 2**63 - 1)),
    st.sampled_from(NOTES),
    to=st.sampled_from((US.hex(), CALLER.hex(), "")),
    rejected=st.booleans(),
    extra=st.sampled_from(("", '{"a":[1,{"}":2}]}', "x" * 5_000)),
)


@given(st.lists(st.lists(internals, max_size=5), max_size=3), st.integers(1, 900))
def test_json_in_pieces_and_grpc_say_the_same(found: list[list[dict[str, Any]]], piece: int) -> None:
    """However it is cut; one receipt's are not another's."""
    infos = [info(*each) for each in found]
    for it in infos:
        if not it["internal_transactions"]:
            del it["internal_transactions"]
    by_json = streamed(json.dumps(infos).encode(), piece=piece)
    assert list(receipt_bytes.receipts_of(transaction_infos(infos))) == by_json == [_due(it) for it in infos]


def _due(printed: dict[str, Any]) -> Receipt:
    collected = InternalTransfers()
    for each in printed.get("internal_transactions", ()):
        ends = bytes.fromhex(each["caller_address"]), bytes.fromhex(each["transferTo_address"])
        amount = each["callValueInfo"][0].get("callValue", 0)
        collected.add(bytes.fromhex(each.get("note", "")), *ends, amount, rejected=each["rejected"])
    return Receipt(TXID, 7, 0, 0, "SUCCESS", failed=False, logs=(), internal=collected.kept)


def test_a_destroyed_contract_s_tokens_are_passed_over() -> None:
    """A stranger may have filled it with thousands: the TRX beside them is read, and the receipt is no error."""
    tokens = [{"callValue": 1, "tokenId": str(1_000_000 + number)} for number in range(20_000)]
    heir = {**internal(5, "suicide"), "callValueInfo": [{"callValue": 5}, *tokens]}
    assert read(heir, internal(6)) == [(0, 5), (1, 6)]
    assert read(heir, internal(6), piece=1_000) == [(0, 5), (1, 6)]


@pytest.mark.long
def test_thousands_of_them_are_read_with_little_memory() -> None:
    """20,000 calls without a value, and one with: 7 MB of JSON are read in some MiB."""
    printed = json.dumps(internal(0)).encode()
    begin, end = json.dumps(info()).encode().removesuffix(b"]}"), b"," + json.dumps(internal(3)).encode() + b"]}"
    tracemalloc.start()
    stream = receipt_stream.ReceiptStream(US.evm)
    stream.feed(b"[" + begin)
    for number in range(20_000):
        stream.feed((b"," if number else b"") + printed)
    stream.feed(end + b"]")
    [receipt] = stream.end()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(each.place, each.amount_sun) for each in receipt.internal] == [(20_000, 3)]
    assert peak < 2 * MIB


def test_more_than_is_kept_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound it is as with a node that keeps none: the scanner goes on, and the wallets' watch finds the rest."""
    assert INTERNAL_MAX >= 10_000
    for module in (receipt_bytes, receipt_stream):
        monkeypatch.setattr(module, "INTERNAL_MAX", 3)
    assert read(*(internal(number + 1) for number in range(6))) == [(0, 1), (1, 2), (2, 3)]


def test_the_messages_of_java_tron_are_written_and_read() -> None:
    """What is printed comes back field for field."""
    sent = TRANSACTION_INFO_LIST.read(transaction_infos([info(internal(5, rejected=True, extra="e"))]))
    [told] = sent["transactionInfo"][0]["internal_transactions"]
    assert (told["callValueInfo"], told["note"], told["rejected"], told["extra"]) == (
        [{"callValue": 5}],
        b"call",
        True,
        "e",
    )
