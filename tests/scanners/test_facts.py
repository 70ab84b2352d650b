"""A report is believed only as the observer sealed it (I14)."""

import msgspec
import pytest

from core.streams.deposits import TransferFact
from scanners import facts
from scanners.facts import Forged, Report

pytestmark = pytest.mark.fast

KEY = b"k" * 32
FACT = TransferFact(
    txid="ab" * 32,
    log_index=0,
    from_address="TL24LCps5FKwp3PoU1MvrYrwhi5LU1tHre",
    to_address="TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC",
    amount_minor=12_500_000,
    currency="USDT",
    wallet="payin",
    block_number=7,
    block_id="cd" * 32,
    block_timestamp_ms=1_700_000_000_000,
)
REPORT = Report("confirmed", FACT)


def test_a_sealed_report_opens_as_it_was() -> None:
    """Sealing and opening with one key gives the report; the message is grouped by address and keyed by kind and block."""
    message = facts.message(REPORT, KEY)
    assert facts.open(message.body, KEY) == REPORT
    assert message.group == FACT.to_address
    assert message.key == f"confirmed:deposit-{'ab' * 32}-0:{'cd' * 32}"


def test_no_byte_can_be_changed() -> None:
    """Whichever byte of a message is changed, it does not open."""
    body = facts.message(REPORT, KEY).body
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(Forged):
            facts.open(changed, KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff\xfe",
        facts.message(REPORT, b"another key of somebody else's...").body,
        facts.seal(b'{"kind":"confirmed"}', KEY),
        facts.seal(b'{"kind":"minted","transfer":' + msgspec.json.encode(FACT) + b"}", KEY),
        facts.seal(msgspec.json.encode(REPORT), KEY).replace(b'"mac":"', '"mac":"\u00e9'.encode()),
    ],
)
def test_what_was_not_sealed_is_forged(body: bytes) -> None:
    """Nothing opens that the observer's key did not seal, and nothing that is no report."""
    with pytest.raises(Forged):
        facts.open(body, KEY)
