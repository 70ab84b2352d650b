"""The signer signs the recorded intent's bytes and no others, with the owner's key and no other (I8, FAILURES 25)."""

import hashlib
import string
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tronpy.keys import Signature as TronpySignature

from core.ledger.money import MAX_MINOR
from core.tron.address import ZERO_ADDRESS, Address
from core.tron.protobuf import Field, Message
from core.tron.secp256k1 import CURVE_ORDER, recover
from core.tron.transactions import (
    ANY,
    CONTRACT,
    CONTRACT_TYPES,
    DELEGATE,
    FREEZE,
    RAW,
    TRANSFER,
    TRIGGER,
    UNDELEGATE,
    UNFREEZE,
    WITHDRAW_UNFROZEN,
    txid_of,
)
from signers.keys.keys import SoftwareKey
from signers.transactions.build import (
    DelegateResource,
    Envelope,
    FreezeBalance,
    Intent,
    Trc20Transfer,
    TrxTransfer,
    UndelegateResource,
    UnfreezeBalance,
    build,
)
from signers.transactions.signer import SignatureRefused, SignedTransaction, sign
from tests.signers.payments import (
    ACTIVATION,
    CHAIN_TIME_MS,
    FEE_LIMIT_SUN,
    KEY,
    LIFETIME_MS,
    LIMITS,
    PAYEE,
    PAYOUT,
    STAKING,
    STRANGER,
    USDT,
    envelope,
)

pytestmark = pytest.mark.fast

CASES: list[tuple[Intent, Envelope]] = [
    (PAYOUT, envelope()),
    *((intent, envelope(fee_limit_sun=0)) for intent in (ACTIVATION, *STAKING)),
]


class CountingKey:
    """The owner's key, which counts what it is asked to sign and may answer with something else."""

    def __init__(self, answer: bytes | None = None, address: Address = KEY.address) -> None:
        self.address = address
        self.asked = 0
        self._answer = answer

    def sign_digest(self, digest: bytes) -> bytes:
        self.asked += 1
        return KEY.sign_digest(digest) if self._answer is None else self._answer


def assert_refused(intent: Intent, of: Envelope, raw_data: bytes) -> SignatureRefused:
    key = CountingKey()
    with pytest.raises(SignatureRefused) as refusal:
        sign(intent, of, LIMITS, raw_data, key)
    assert key.asked == 0
    return refusal.value


def signed(intent: Intent = PAYOUT, of: Envelope | None = None) -> SignedTransaction:
    of = of or envelope()
    return sign(intent, of, LIMITS, build(intent, of), KEY)


@pytest.mark.parametrize(("intent", "of"), CASES)
def test_the_recorded_intent_is_signed_by_its_owner(intent: Intent, of: Envelope) -> None:
    """The signature over sha256(raw_data) recovers to the owner, in our eyes and in tronpy's, with a low s."""
    transaction = signed(intent, of)
    digest = bytes.fromhex(transaction.txid)
    assert transaction.txid == hashlib.sha256(transaction.raw_data).hexdigest() == txid_of(transaction.raw_data)
    assert recover(digest, transaction.signature) == KEY.address
    assert int.from_bytes(transaction.signature[32:64], "big") <= CURVE_ORDER // 2
    theirs = TronpySignature(transaction.signature).recover_public_key_from_msg_hash(digest)
    assert theirs.to_base58check_address() == KEY.address.base58
    assert transaction.expiration_ms == of.expiration_ms


def test_signing_twice_gives_the_same_bytes() -> None:
    """A payout signed again after a crash gives the bytes of the first time (RFC 6979), so nothing is paid twice."""
    assert signed().transaction == signed().transaction


def other_value(field: Field) -> st.SearchStrategy[Any]:
    if field.kind == "bool":
        return st.booleans()
    if field.kind == "int":
        return st.integers(-(2**63), 2**63 - 1)
    if field.kind == "text":
        return st.text(string.ascii_letters + "./", max_size=60)
    return st.binary(max_size=80)


@st.composite
def changed_messages(draw: st.DrawFn) -> tuple[Intent, Envelope, bytes]:
    """One field of raw_data, of its contract, of the Any or of the parameter, set to anything, added or left out."""
    intent, of = draw(st.sampled_from(CASES))
    raw = RAW.decode(build(intent, of))
    contract = raw["contract"][0]
    kind = CONTRACT_TYPES[contract["type"]]
    parameter = kind.decode(contract["parameter"]["value"])
    levels: list[tuple[Message, dict[str, Any]]] = [
        (RAW, raw),
        (CONTRACT, contract),
        (ANY, contract["parameter"]),
        (kind, parameter),
    ]
    message, value = draw(st.sampled_from(levels))
    field = draw(st.sampled_from(message.fields))
    if isinstance(field.kind, Message):
        if field.repeated:
            value[field.name] = value[field.name] * draw(st.sampled_from([0, 2]))
        else:
            del value[field.name]
    elif field.repeated:
        value[field.name] = draw(st.lists(other_value(field), min_size=1, max_size=2))
    else:
        value[field.name] = draw(other_value(field))
    if message is kind:
        contract["parameter"]["value"] = kind.encode(parameter)
    return intent, of, RAW.encode(raw)


@given(changed_messages())
def test_no_field_may_differ(case: tuple[Intent, Envelope, bytes]) -> None:
    """Whichever protobuf field is changed, added or left out, there is no signature and the key is not asked."""
    intent, of, raw_data = case
    assume(raw_data != build(intent, of))
    assert_refused(intent, of, raw_data)


@given(st.sampled_from(CASES), st.integers(0), st.integers(0, 7), st.sampled_from(["flip", "insert", "drop", "cut"]))
def test_no_byte_may_differ(case: tuple[Intent, Envelope], at: int, bit: int, how: str) -> None:
    """Whichever byte of raw_data is flipped, inserted, dropped or cut off, there is no signature."""
    intent, of = case
    raw_data = bytearray(build(intent, of))
    at %= len(raw_data)
    if how == "flip":
        raw_data[at] ^= 1 << bit
    elif how == "insert":
        raw_data.insert(at, 1 << bit)
    elif how == "drop":
        del raw_data[at]
    else:
        del raw_data[at:]
    assert_refused(intent, of, bytes(raw_data))


def test_every_single_bit_counts() -> None:
    """Each of the payout's bits, flipped alone, prevents the signature."""
    raw_data = build(PAYOUT, envelope())
    for at in range(len(raw_data)):
        for bit in range(8):
            forged = raw_data[:at] + bytes([raw_data[at] ^ 1 << bit]) + raw_data[at + 1 :]
            assert_refused(PAYOUT, envelope(), forged)


def _rearranged() -> list[bytes]:
    """Encodings that mean the same to a lenient reader: the sha256, and so the txid, is another."""
    raw_data = build(PAYOUT, envelope())
    ref, rest = raw_data[:4], raw_data[4:]
    return [
        rest + ref,  # another order
        ref + raw_data,  # a field twice, the last one counts
        raw_data + b"\x90\x01\x00",  # a default written out... of a field set before
        raw_data + b"\xa2\x06\x01\x00",  # an unknown field
        b"\x0a\x82\x00" + ref[2:] + rest,  # a length in two bytes instead of one
        raw_data + b"\x18\x00",  # ref_block_num 0 written out
    ]


@pytest.mark.parametrize("raw_data", _rearranged())
def test_the_same_meaning_in_other_bytes_is_refused(raw_data: bytes) -> None:
    """A non-canonical encoding of the very payout is refused."""
    assert_refused(PAYOUT, envelope(), raw_data)


def _with(changes: dict[str, Any], *, level: str = "raw", intent: Intent = PAYOUT) -> bytes:
    raw = RAW.decode(build(intent, envelope()))
    contract = raw["contract"][0]
    if level == "parameter":
        kind = CONTRACT_TYPES[contract["type"]]
        parameter = kind.decode(contract["parameter"]["value"])
        contract["parameter"]["value"] = kind.encode(parameter | changes)
    else:
        (raw if level == "raw" else contract).update(changes)
    return RAW.encode(raw)


@pytest.mark.parametrize(
    ("raw_data", "named"),
    [
        (_with({"expiration": CHAIN_TIME_MS + 86_000_000}), "expiration"),
        (_with({"fee_limit": 2_000_000_000}), "fee_limit"),
        (_with({"data": b"memo"}), "data"),
        (_with({"ref_block_num": 5}), "ref_block_num"),
        (_with({"scripts": b"s", "auths": [b""]}), "auths, scripts"),
        (_with({"contract": []}), "contract"),
        (_with({"Permission_id": 2}, level="contract"), "contract.Permission_id"),
        (_with({"type": TRANSFER}, level="contract"), "contract.type"),
        (_with({"call_value": 1}, level="parameter"), "parameter.call_value"),
        (_with({"call_token_value": 1, "token_id": 1}, level="parameter"), "parameter.call_token_value"),
        (_with({"contract_address": STRANGER}, level="parameter"), "parameter.contract_address"),
        (build(Trc20Transfer(KEY.address, USDT, STRANGER, PAYOUT.amount), envelope()), "parameter.data"),
        (build(Trc20Transfer(KEY.address, USDT, PAYEE, PAYOUT.amount + 1), envelope()), "parameter.data"),
        (build(PAYOUT, envelope(8)), "expiration, fee_limit, timestamp"),
    ],
)
def test_a_refusal_names_what_differs(raw_data: bytes, named: str) -> None:
    """The refusal of bytes that differ from the intent names the fields that do."""
    assert named in assert_refused(PAYOUT, envelope(), raw_data).detail


@pytest.mark.parametrize(
    "forged",
    [
        _with({"fee_limit": FEE_LIMIT_SUN + 1_000_000}),
        _with({"timestamp": 1}),
        _with({"data": b"memo"}),
        _with({"Permission_id": 2}, level="contract"),
        build(Trc20Transfer(KEY.address, USDT, STRANGER, PAYOUT.amount), envelope()),
        build(Trc20Transfer(KEY.address, USDT, PAYEE, PAYOUT.amount + 1), envelope()),
        *_rearranged(),
        b"\xff",
    ],
)
def test_two_implementations_must_agree(forged: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """If our own builder were wrong or subverted, tronpy's second opinion still prevents the signature."""
    monkeypatch.setattr("signers.transactions.signer.build", lambda *_: forged)
    assert assert_refused(PAYOUT, envelope(), forged).reason == "second_opinion"


@pytest.mark.parametrize(
    ("intent", "change", "reason"),
    [
        (Trc20Transfer(KEY.address, STRANGER, PAYEE, 1), {}, "contract"),
        (Trc20Transfer(KEY.address, USDT, PAYEE, 1_000_001), {}, "amount"),
        (Trc20Transfer(KEY.address, USDT, PAYEE, 0), {}, "amount"),
        (TrxTransfer(KEY.address, PAYEE, 2_000_001), {}, "amount"),
        (Trc20Transfer(KEY.address, USDT, ZERO_ADDRESS, 1), {}, "to"),
        (Trc20Transfer(KEY.address, USDT, USDT, 1), {}, "to"),
        (Trc20Transfer(KEY.address, USDT, KEY.address, 1), {}, "to"),
        (TrxTransfer(KEY.address, USDT, 1), {}, "to"),
        (TrxTransfer(KEY.address, PAYEE, 1), {}, "fee_limit"),
        (FreezeBalance(KEY.address, 3_000_001, "ENERGY"), {"fee_limit_sun": 0}, "amount"),
        (UnfreezeBalance(KEY.address, 0, "ENERGY"), {"fee_limit_sun": 0}, "amount"),
        (DelegateResource(KEY.address, PAYEE, 3_000_001, "ENERGY"), {"fee_limit_sun": 0}, "amount"),
        (UndelegateResource(KEY.address, KEY.address, 1, "ENERGY"), {"fee_limit_sun": 0}, "to"),
        (DelegateResource(KEY.address, PAYEE, 1, "ENERGY"), {}, "fee_limit"),
        (Trc20Transfer(KEY.address, USDT, PAYEE, 1), {"fee_limit_sun": LIMITS.fee_limit_sun_max + 1}, "fee_limit"),
        (Trc20Transfer(KEY.address, USDT, PAYEE, 1), {"expiration_ms": CHAIN_TIME_MS}, "expiration"),
        (
            Trc20Transfer(KEY.address, USDT, PAYEE, 1),
            {"expiration_ms": CHAIN_TIME_MS + LIFETIME_MS + 1},
            "expiration",
        ),
        (Trc20Transfer(KEY.address, USDT, PAYEE, 1), {"ref_block_number": 1}, "intent"),
    ],
)
def test_the_signer_has_limits_of_its_own(intent: Intent, change: dict[str, Any], reason: str) -> None:
    """Even a recorded intent is refused beyond the token, amounts, fee ceiling and lifetime the signer was given."""
    limits = msgspec.structs.replace(LIMITS, amount_max=1_000_000, amount_sun_max=2_000_000, stake_sun_max=3_000_000)
    key = CountingKey()
    with pytest.raises(SignatureRefused) as refusal:
        sign(intent, msgspec.structs.replace(envelope(), **change), limits, build(PAYOUT, envelope()), key)
    assert (refusal.value.reason, key.asked) == (reason, 0)


def test_a_long_expiration_is_refused_whatever_the_setting() -> None:
    """FAILURES 21: no setting lets the signer sign what lives longer than 24 hours of chain time."""
    of = msgspec.structs.replace(envelope(), expiration_ms=CHAIN_TIME_MS + 86_400_001)
    limits = msgspec.structs.replace(LIMITS, lifetime_ms_max=MAX_MINOR)
    with pytest.raises(SignatureRefused, match="expiration"):
        sign(PAYOUT, of, limits, build(PAYOUT, of), KEY)


def test_another_owners_key_is_not_asked() -> None:
    """A key whose address is not the owner's is refused before it signs."""
    key = CountingKey(address=STRANGER)
    with pytest.raises(SignatureRefused, match="owner") as refusal:
        sign(PAYOUT, envelope(), LIMITS, build(PAYOUT, envelope()), key)
    assert (refusal.value.reason, key.asked) == ("key", 0)


def _wrong_answers() -> dict[str, bytes]:
    digest = hashlib.sha256(build(PAYOUT, envelope())).digest()
    good = KEY.sign_digest(digest)
    high_s = (CURVE_ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    return {
        "of another key": SoftwareKey(bytes([2]) * 32).sign_digest(digest),
        "over a digest hashed twice, as KMS does without DIGEST": KEY.sign_digest(hashlib.sha256(digest).digest()),
        "with the other recovery id": good[:64] + bytes([good[64] ^ 1]),
        "with a high s": good[:32] + high_s + bytes([good[64] ^ 1]),
        "with v of 27 or 28": good[:64] + bytes([good[64] + 27]),
        "without v": good[:64],
        "of zeros": bytes(65),
        "empty": b"",
    }


@pytest.mark.parametrize("answer", _wrong_answers().values(), ids=_wrong_answers())
def test_a_key_is_not_believed(answer: bytes) -> None:
    """A signature that does not recover to the owner, or is not in its one form, is never handed out."""
    with pytest.raises(SignatureRefused) as refusal:
        sign(PAYOUT, envelope(), LIMITS, build(PAYOUT, envelope()), CountingKey(answer))
    assert refusal.value.reason == "signature"


def test_every_kind_of_contract_is_fuzzed() -> None:
    """The cases that the fuzz starts from are a contract call, a TRX transfer, and each act of staking."""
    kinds = [RAW.decode(build(intent, of))["contract"][0]["type"] for intent, of in CASES]
    assert kinds == [TRIGGER, TRANSFER, FREEZE, UNFREEZE, WITHDRAW_UNFROZEN, DELEGATE, UNDELEGATE]


def test_only_wallets_of_ours_receive_what_is_no_payout() -> None:
    """With receivers given, nobody else's address gets a signature, whatever the recorded intent says."""
    of = envelope(fee_limit_sun=0)
    for receivers in (frozenset[Address](), frozenset([STRANGER])):
        for intent in (ACTIVATION, STAKING[3], STAKING[4]):
            with pytest.raises(SignatureRefused, match="no wallet of ours"):
                sign(intent, of, msgspec.structs.replace(LIMITS, receivers=receivers), build(intent, of), KEY)
    limits = msgspec.structs.replace(LIMITS, receivers=frozenset([PAYEE]))
    assert sign(ACTIVATION, of, limits, build(ACTIVATION, of), KEY).txid
