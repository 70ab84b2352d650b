"""Transactions are the bytes the chain knows, no two payments share them, and their cost is known before."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tronpy.proto.transaction import calculate_txid_from_raw_data

from core.ledger.money import MAX_MINOR
from core.tron.address import Address
from core.tron.chain import AccountResources, BlockRef
from core.tron.transactions import RAW, TRIGGER, parameter_of, txid_of
from signers.transactions.abi import read_transfer_call
from signers.transactions.build import (
    EXPIRATION_SALT_MS,
    FEE_LIMIT_SALT_SUN,
    LIFETIME_MS_MAX,
    Envelope,
    FeeAboveCeiling,
    FreezeBalance,
    Intent,
    InvalidTransaction,
    Trc20Transfer,
    TrxTransfer,
    assemble,
    bandwidth_bytes,
    build,
    burn_sun,
    envelope_for,
    fee_limit_for,
)
from tests.recorded import RECORDED, Recorded
from tests.signers.payments import (
    ACTIVATION,
    BLOCK,
    CHAIN_TIME_MS,
    FEE_LIMIT_SUN,
    LIFETIME_MS,
    PAYEE,
    PAYOUT,
    USDT,
    envelope,
)

pytestmark = pytest.mark.fast

addresses = st.binary(min_size=20, max_size=20).map(Address.from_evm)
amounts = st.integers(1, MAX_MINOR)
intents = st.one_of(
    st.builds(Trc20Transfer, owner=addresses, contract=addresses, to=addresses, amount=amounts),
    st.builds(TrxTransfer, owner=addresses, to=addresses, amount_sun=amounts),
)


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    number = draw(st.integers(0, 2**63 - 1))
    times = st.integers(0, MAX_MINOR)
    block_id = f"{number:016x}" + draw(st.binary(min_size=24, max_size=24)).hex()
    return Envelope(number, block_id, draw(times), draw(times), draw(times))


def recorded_intent(raw: dict[str, Any]) -> Intent:
    fields = parameter_of(raw["contract"][0])
    owner = Address(fields["owner_address"])
    if raw["contract"][0]["type"] == TRIGGER:
        call = read_transfer_call(fields["data"])
        assert call is not None
        return Trc20Transfer(owner, Address(fields["contract_address"]), *call)
    return TrxTransfer(owner, Address(fields["to_address"]), fields["amount"])


def recorded_envelope(raw: dict[str, Any]) -> Envelope:
    number = int.from_bytes(raw["ref_block_bytes"], "big")
    block_id = f"{number:016x}" + raw["ref_block_hash"].hex() + "00" * 16
    return Envelope(number, block_id, raw["timestamp"], raw["expiration"], raw.get("fee_limit", 0))


@pytest.mark.parametrize("recorded", [row for row in RECORDED if "memo" not in row.name], ids=lambda row: row.name)
def test_recorded_transactions_are_built_byte_for_byte(recorded: Recorded) -> None:
    """A mainnet transfer's intent and envelope give its bytes and its txid, but for a payee word padded with 0x41."""
    theirs = bytes.fromhex(recorded.raw_data)
    raw = RAW.decode(theirs)
    ours = build(recorded_intent(raw), recorded_envelope(raw))
    if "new holder" in recorded.name:
        theirs = theirs.replace(bytes(11) + b"\x41\xec\x20", bytes(12) + b"\xec\x20")
    else:
        assert txid_of(ours) == recorded.txid
    assert ours == theirs


def test_a_freeze_of_the_documentation_is_built_byte_for_byte() -> None:
    """Tron's documentation shows a FreezeBalanceV2 of 1,000 TRX for energy: its bytes and its txid are ours."""
    recorded = bytes.fromhex(
        "0a02283b220851bf0b88daaaea3740b8a9d8c0dd335a5b083612570a34747970652e676f6f676c65617069732e636f6d2f70726f746f"
        "636f6c2e467265657a6542616c616e63655632436f6e7472616374121f0a1541dd791d6b49e190062d650e6a23c575510d35f2f91080"
        "94ebdc03180170d8e7d4c0dd33"
    )
    raw = RAW.decode(recorded)
    owner = Address(parameter_of(raw["contract"][0])["owner_address"])
    built = build(FreezeBalance(owner, 1_000_000_000, "ENERGY"), recorded_envelope(raw))
    assert built == recorded
    assert txid_of(built) == "081256264131fbc9f3d4686aab15ae69c0e77b39d276367c11a7ab13e39747ec"


@given(intents, envelopes())
def test_tronpy_computes_the_same_txid(intent: Intent, of: Envelope) -> None:
    """tronpy's protobuf messages give the txid of any transaction that we build."""
    raw_data = build(intent, of)
    raw = RAW.decode(raw_data)
    value = {
        name: field.hex() if isinstance(field, bytes) else field
        for name, field in parameter_of(raw["contract"][0]).items()
    }
    kind = "TriggerSmartContract" if isinstance(intent, Trc20Transfer) else "TransferContract"
    parameter = {"value": value, "type_url": f"type.googleapis.com/protocol.{kind}"}
    theirs = calculate_txid_from_raw_data(
        {
            "contract": [{"type": kind, "parameter": parameter}],
            "ref_block_bytes": of.ref_block_id[12:16],
            "ref_block_hash": of.ref_block_id[16:32],
            "expiration": of.expiration_ms,
            "timestamp": of.timestamp_ms,
            "fee_limit": of.fee_limit_sun,
        }
    )
    assert txid_of(raw_data) == theirs


@pytest.mark.long
def test_a_hundred_thousand_equal_payouts_in_one_millisecond_have_as_many_txids() -> None:
    """FAILURES 27: 100,000 payouts of one amount to one payee, built in one millisecond, have 100,000 txids."""
    assert len({txid_of(build(PAYOUT, envelope(payment))) for payment in range(100_000)}) == 100_000


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**32), st.integers(1, 10**9))
def test_an_envelope_is_sane_short_and_the_same_again(payment_id: bytes, attempt: int, fee_limit_sun: int) -> None:
    """The salt keeps the timestamp a date of 2004 to 2039, the expiration short, the fee limit near, and repeats."""
    first, again = (
        envelope_for(
            payment_id,
            attempt,
            BLOCK,
            chain_time_ms=CHAIN_TIME_MS,
            lifetime_ms=LIFETIME_MS,
            fee_limit_sun=fee_limit_sun,
        )
        for _ in range(2)
    )
    assert first == again
    assert 2**40 <= first.timestamp_ms < 2**41
    assert 0 <= CHAIN_TIME_MS + LIFETIME_MS - first.expiration_ms < EXPIRATION_SALT_MS
    assert 0 <= first.fee_limit_sun - fee_limit_sun < FEE_LIMIT_SALT_SUN


def test_every_attempt_at_a_payment_has_its_own_txid() -> None:
    """AttemptIndex at one payment differ in txid although nothing else has changed; TRX transfers too, with no fee limit."""
    assert len({txid_of(build(PAYOUT, envelope(7, attempt))) for attempt in range(1000)}) == 1000
    activations = [build(ACTIVATION, envelope(7, attempt, fee_limit_sun=0)) for attempt in range(1000)]
    assert len(set(activations)) == 1000
    assert all("fee_limit" not in RAW.decode(raw_data) for raw_data in activations)


def test_a_payout_costs_no_memo() -> None:
    """What keeps equal payouts apart is free: no memo, no scripts, and the 345 bandwidth of any USDT transfer."""
    raw_data = build(PAYOUT, envelope())
    assert RAW.decode(raw_data).keys().isdisjoint({"data", "scripts", "auths", "ref_block_num"})
    assert bandwidth_bytes(raw_data) == 345


def test_bandwidth_is_what_mainnet_charged() -> None:
    """The bandwidth of mainnet's 0130dfde… is the 345 that its receipt states."""
    raw_data = next(bytes.fromhex(row.raw_data) for row in RECORDED if row.txid.startswith("0130dfde"))
    assert bandwidth_bytes(raw_data) == 345


def test_bandwidth_grows_with_the_fee_limits_length_and_with_signatures() -> None:
    """A fee limit of 2^28 sun takes a byte more, a second signature 67."""
    raw_data = build(PAYOUT, msgspec.structs.replace(envelope(), fee_limit_sun=2**28))
    assert bandwidth_bytes(raw_data) == 346
    assert bandwidth_bytes(raw_data, signatures=2) == 346 + 67


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda row: row.name)
def test_assembling_keeps_raw_data_as_it_is(recorded: Recorded) -> None:
    """A signed transaction holds raw_data and then the signature, unchanged."""
    raw_data, signature = bytes.fromhex(recorded.raw_data), bytes.fromhex(recorded.signature)
    signed = assemble(raw_data, signature)
    assert raw_data in signed
    assert signed.endswith(b"\x12\x41" + signature)


@pytest.mark.parametrize(
    ("energy", "price_sun", "margin", "ceiling_sun", "expected"),
    [
        (64_285, 100, 0, 20_000_000, 6_428_500),
        (64_285, 100, 20, 20_000_000, 7_714_200),
        (130_285, 100, 20, 20_000_000, 15_634_200),
        (1, 1, 1, 20_000_000, 2),  # the margin is rounded up
        (130_285, 100, 100, 20_000_000, 20_000_000 - FEE_LIMIT_SALT_SUN),
        (199_344, 100, 20, 20_000_000, 20_000_000 - FEE_LIMIT_SALT_SUN),
    ],
)
def test_a_fee_limit_covers_all_the_energy(
    energy: int, price_sun: int, margin: int, ceiling_sun: int, expected: int
) -> None:
    """FAILURES 16: the fee limit covers the energy at its price and a margin, and with its salt stays below the ceiling."""
    assert fee_limit_for(energy, price_sun, margin_percent=margin, ceiling_sun=ceiling_sun) == expected
    assert energy * price_sun <= expected <= ceiling_sun - FEE_LIMIT_SALT_SUN


def test_energy_above_the_ceiling_is_refused() -> None:
    """A call that could run out of energy under the ceiling is not built at all."""
    with pytest.raises(FeeAboveCeiling, match=r"13\.028500 TRX"):
        fee_limit_for(130_285, 100, margin_percent=0, ceiling_sun=13_000_000)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (AccountResources(), 6_428_500 + 345_000),
        (AccountResources(free_net_limit=600), 6_428_500),
        (AccountResources(free_net_limit=600, free_net_used=256), 6_428_500 + 345_000),
        (AccountResources(net_limit=200, free_net_limit=300), 6_428_500 + 345_000),  # never split between sources
        (AccountResources(energy_limit=60_000, energy_used=10_000, net_limit=345), 1_428_500),
        (AccountResources(energy_limit=70_000, net_limit=345), 0),
    ],
)
def test_what_stakes_do_not_cover_is_burned(resources: AccountResources, expected: int) -> None:
    """FAILURES 17: the TRX an owner must hold is counted from its own stakes and allowances."""
    assert burn_sun(64_285, 345, resources, energy_price_sun=100, bandwidth_price_sun=1000) == expected


@pytest.mark.parametrize("intent", [PAYOUT, ACTIVATION])
@pytest.mark.parametrize(
    "change",
    [
        {"ref_block_number": BLOCK.number + 1},
        {"ref_block_id": BLOCK.block_id[:-2]},
        {"timestamp_ms": -1},
        {"expiration_ms": 2**63},
        {"fee_limit_sun": -1},
    ],
)
def test_an_impossible_envelope_is_not_built(intent: Intent, change: dict[str, Any]) -> None:
    """An envelope whose block, times or fee limit cannot be is refused, not encoded."""
    with pytest.raises(InvalidTransaction):
        build(intent, msgspec.structs.replace(envelope(), **change))


@pytest.mark.parametrize("amount", [0, -1, MAX_MINOR + 1])
def test_an_impossible_amount_is_not_built(amount: int) -> None:
    """Zero, negative and oversized amounts are refused, not encoded."""
    for intent in (Trc20Transfer(PAYOUT.owner, USDT, PAYEE, amount), TrxTransfer(PAYOUT.owner, PAYEE, amount)):
        with pytest.raises(InvalidTransaction, match="amount"):
            build(intent, envelope())


@pytest.mark.parametrize(
    ("payment_id", "lifetime_ms"),
    [(bytes(16), 0), (bytes(16), EXPIRATION_SALT_MS), (bytes(16), LIFETIME_MS_MAX + 1), (bytes(15), LIFETIME_MS)],
)
def test_a_lifetime_no_node_admits_is_refused(payment_id: bytes, lifetime_ms: int) -> None:
    """A lifetime of nothing or above 24 hours, or a payment id that is no id, gives no envelope."""
    block = BlockRef(BLOCK.number, BLOCK.block_id, BLOCK.parent_id, BLOCK.timestamp_ms)
    with pytest.raises(InvalidTransaction):
        envelope_for(payment_id, 0, block, chain_time_ms=CHAIN_TIME_MS, lifetime_ms=lifetime_ms)


def test_fee_limits_are_free_to_salt() -> None:
    """The canonical payout's fee limit is above what was asked for by less than seven hundredths of a TRX."""
    assert 0 <= envelope().fee_limit_sun - FEE_LIMIT_SUN < 70_000
