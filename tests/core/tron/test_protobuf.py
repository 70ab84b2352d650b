"""Protocol buffers: one encoding per value, and nothing else is read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tron.protobuf import Field, MalformedProtobuf, Message, read_fields, read_varint, write_varint
from core.tron.transactions import (
    CONTRACT_TYPES,
    RAW,
    SIGNED,
    contract_of,
    only_contract,
    owner_of,
    parameter_of,
    txid_of,
)
from tests.recorded import RECORDED

pytestmark = pytest.mark.fast

INNER = Message("Inner", Field(1, "number", "int"), Field(2, "text", "text"))
OUTER = Message(
    "Outer",
    Field(1, "number", "int"),
    Field(2, "flag", "bool"),
    Field(3, "data", "bytes"),
    Field(4, "text", "text"),
    Field(5, "inner", INNER),
    Field(6, "many", INNER, repeated=True),
    Field(7, "blobs", "bytes", repeated=True),
    Field(500, "far", "int"),
)


def values(message: Message) -> st.SearchStrategy[dict[str, Any]]:
    """Dicts of the message's fields without defaults, as `decode` gives them."""
    kinds = {
        "int": st.integers(-(2**63), 2**63 - 1).filter(bool),
        "bool": st.just(True),
        "bytes": st.binary(min_size=1, max_size=40),
        "text": st.text(min_size=1, max_size=20),
    }
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in message.fields:
        one = values(field.kind) if isinstance(field.kind, Message) else kinds[field.kind]
        if field.repeated:
            one = st.lists(st.binary(max_size=9) if field.kind == "bytes" else one, min_size=1, max_size=3)
        fields[field.name] = one
    return st.fixed_dictionaries({}, optional=fields)


@given(
    st.sampled_from([OUTER, RAW, SIGNED, *CONTRACT_TYPES.values()]).flatmap(lambda m: st.tuples(st.just(m), values(m)))
)
def test_what_is_encoded_is_decoded(given_: tuple[Message, dict[str, Any]]) -> None:
    """Every value of every message survives, and its bytes are the only ones for it."""
    message, value = given_
    data = message.encode(value)
    assert message.decode(data) == value
    assert message.encode(message.decode(data)) == data


@given(st.binary(max_size=60))
def test_bytes_are_read_exactly_or_refused(data: bytes) -> None:
    """Whatever is decoded is encoded to the same bytes; everything else is MalformedProtobuf, and no other error."""
    for message in (OUTER, RAW, SIGNED):
        try:
            value = message.decode(data)
        except MalformedProtobuf:
            continue
        assert message.encode(value) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0801", None),
        ("0800", "canonical"),  # a default that is written
        ("088100", "canonical"),  # 1 in two bytes
        ("1001 0801", "canonical"),  # fields out of order
        ("0801 0802", "canonical"),  # a field twice: the last would win
        ("1002", "canonical"),  # true is 1
        ("1a00", "canonical"),  # empty bytes are the default
        ("2a00", None),  # an empty message is there all the same
        ("2a020800", "canonical"),  # the same rules inside
        ("0a0101", "wire type"),
        ("0d00000000", "wire type"),
        ("0900000000000000 00", "wire type"),
        ("0b", "wire type"),
        ("4001", "no field 8"),
        ("0001", "no field 0"),
        ("08", "cut short"),
        ("0880", "cut short"),
        ("1a05aabb", "ends beyond"),
        ("1affffffffffffffffff01", "ends beyond"),
        ("2202ff41", "UTF-8"),
        ("08ffffffffffffffffff01", None),  # -1
        ("08ffffffffffffffffff02", "canonical"),
        ("08ffffffffffffffffffff01", "64 bits"),
        ("a01f01", None),
    ],
)  # fmt: skip
def test_only_the_canonical_bytes_are_read(data: str, reason: str | None) -> None:
    """Bytes that this program would not write are refused with the reason: a txid is a hash of bytes."""
    raw = bytes.fromhex(data)
    if reason is None:
        assert OUTER.encode(OUTER.decode(raw)) == raw
        return
    with pytest.raises(MalformedProtobuf, match=reason):
        OUTER.decode(raw)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64 + 5])
def test_a_number_beyond_64_bits_is_never_cut(number: int) -> None:
    """An amount that does not fit is an error, not another amount."""
    with pytest.raises(ValueError, match="64 bits"):
        OUTER.encode({"number": number})


def test_an_unknown_field_is_not_dropped() -> None:
    """A misspelt field is an error."""
    with pytest.raises(KeyError, match="ammount"):
        CONTRACT_TYPES[1].encode({"ammount": 1})


@given(st.integers(0, 2**64 - 1))
def test_varints_come_back(number: int) -> None:
    """Every 64-bit number, in at most ten bytes."""
    out = bytearray()
    write_varint(out, number)
    assert read_varint(bytes(out), 0) == (number, len(out))
    assert len(out) <= 10


@pytest.mark.parametrize(
    ("data", "number"),
    [
        ("b4888080808080808000", -9223372036854774732),
        ("b4888080808080808001", -9223372036854774732),
        ("b4888080808080808002", -9223372036854774732),
        ("80808080808080808000", -9223372036854775808),
        ("8080808080808080807e", -9223372036854775808),
        ("ffffffffffffffffff00", -1),
        ("b48880808080808000", 1076),
        ("ffffffffffffffff7f", 9223372036854775807),
    ],
)
def test_a_number_of_ten_bytes_is_below_zero(data: str, number: int) -> None:
    """Java's protobuf, which java-tron reads with, does not look at the tenth byte: an amount so written is negative."""
    message = Message("any", Field(1, "number", "int"))
    assert message.read(b"\x08" + bytes.fromhex(data)) == {"number": number}


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded.name for recorded in RECORDED])
def test_recorded_transactions_keep_every_byte(recorded: Any) -> None:
    """Mainnet's raw_data decodes, encodes to the same bytes, and hashes to its txid."""
    raw_data = bytes.fromhex(recorded.raw_data)
    value = RAW.decode(raw_data)
    assert RAW.encode(value) == raw_data
    assert txid_of(raw_data) == recorded.txid
    [contract] = value["contract"]
    assert contract_of(contract["type"], parameter_of(contract)) == contract


def test_a_contract_that_is_not_what_its_type_says_is_refused() -> None:
    """The type number and the type url must name the same contract, one that is known here."""
    contract = contract_of(1, {"amount": 1})
    for wrong in ({**contract, "type": 31}, {**contract, "type": 30}, {**contract, "parameter": {}}):
        with pytest.raises(MalformedProtobuf):
            parameter_of(wrong)


@pytest.mark.parametrize(
    ("case", "data", "expected"),
    [
        ("the last of a field wins", "0801 0802", {"number": 2}),
        ("order means nothing", "1001 0801", {"flag": True, "number": 1}),
        ("a number that is too long for its kind loses its top", "08ffffffffffffffffff7e", {"number": -1}),
        ("an overlong number", "08818000", {"number": 1}),
        ("an unknown field of every wire type", "5001 5101020304050607085201aa530801 54550a0b0c0d 0801", {"number": 1}),
        ("a known number with another wire type is unknown", "0801 0a0161 0d00000000", {"number": 1}),
        ("a group with the number of a known field", "0801 0b080f0c", {"number": 1}),
        ("groups in groups", "5b630801645b5c5c 0801", {"number": 1}),
        ("a message that comes twice is merged", "2a020801 2a031201 61", {"inner": {"number": 1, "text": "a"}}),
        ("a key of more than 32 bits loses its top", "8880808010 05", {"number": 5}),
        ("a length of more than 32 bits loses its top", "1a8180808010 aa", {"data": b"\xaa"}),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_others_wrote_is_read_as_java_tron_reads_it(case: str, data: str, expected: dict[str, Any]) -> None:
    """Every wire type is skipped where it is unknown, the last field wins, and too long a number loses its top."""
    assert OUTER.read(bytes.fromhex(data)) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("5b0801", "does not end"),
        ("5b6364", "group 11 does not end"),
        ("5b64", "not the number it began with"),
        ("5c", "never began"),
        ("5b0f", "wire type 7"),
        ("0e", "wire type 6"),
        ("0001", "number 0"),
        ("5b0001 5c", "number 0"),
        ("1a05aa", "beyond"),
        ("0d0000", "beyond"),
        ("2201ff", "UTF-8"),
        ("2a0108", "cut short"),
    ],
)
def test_what_is_no_message_at_all_is_named(data: str, reason: str) -> None:
    """A group that does not end, or ends as another, and whatever else is no message, is MalformedProtobuf with the reason."""
    with pytest.raises(MalformedProtobuf, match=reason):
        OUTER.read(bytes.fromhex(data))


def test_groups_as_deep_as_a_transaction_is_long_are_skipped() -> None:
    """250,000 groups within each other, all that a transaction can hold, are one unknown field."""
    deep = b"\x5b" * 250_000 + b"\x5c" * 250_000
    assert OUTER.read(deep + b"\x08\x01") == {"number": 1}
    assert len(list(read_fields(deep))) == 1
    with pytest.raises(MalformedProtobuf, match="does not end"):
        OUTER.read(b"\x5b" * 500_000)


@given(st.sampled_from([OUTER, RAW, SIGNED, *CONTRACT_TYPES.values()]), st.binary(max_size=80))
def test_any_bytes_are_read_or_named(message: Message, data: bytes) -> None:
    """Reading raises MalformedProtobuf and nothing else, and what `decode` takes is read the same."""
    try:
        read = message.read(data)
    except MalformedProtobuf:
        with pytest.raises(MalformedProtobuf):
            message.decode(data)
        return
    try:
        assert message.decode(data) == read
    except MalformedProtobuf:
        return


@pytest.mark.parametrize(
    ("type_url", "read"),
    [
        ("type.googleapis.com/protocol.TransferContract", True),
        ("/protocol.TransferContract", True),
        ("x.example/y/protocol.TransferContract", True),
        ("a\"b'\n\x00/protocol.TransferContract", True),
        ("u" * 3_000 + "/protocol.TransferContract", True),
        ("protocol.TransferContract", False),
        ("type.googleapis.com/other.TransferContract", False),
        ("", False),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) else "",
)
def test_the_type_is_what_stands_behind_the_last_slash(type_url: str, read: bool) -> None:
    """Any prefix with a slash names the type; without one nothing does (FAILURES 77)."""
    contract = {"type": 1, "parameter": {"type_url": type_url, "value": b"\x0a\x01a"}}
    raw = RAW.encode({"contract": [contract]})
    if read:
        assert only_contract(raw) == (1, "TransferContract", b"\x0a\x01a")
        return
    with pytest.raises(MalformedProtobuf):
        only_contract(raw)


def test_a_name_is_no_owner() -> None:
    """The owner is field 2 where field 1 is a name that its sender chooses: an address of ours, for one."""
    ours, stranger = b"\x41" + bytes(20), b"\x41" + b"\x01" * 20
    named = b"\x0a\x15" + ours + b"\x12\x15" + stranger
    for type_name in ("AccountUpdateContract", "SetAccountIdContract", "TransferAssetContract"):
        assert owner_of(type_name, named) == stranger
    assert owner_of("VoteWitnessContract", named) == ours
