"""What the observer sends the recorder, on deposit-events.fifo: transfers and notices, and a proof of who says so.

The proof is an HMAC over the exact bytes: a queue under foreign control cannot create money (I14).
"""

import hashlib
import hmac
from typing import Final, Literal

import msgspec

from core.ports.queues import Message
from core.rotation import Rotating, rotating
from core.streams.deposits import TransferFact
from core.streams.notices import Departure, Notice

Kind = Literal["detected", "confirmed", "orphaned"]


class Report(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="transfer"):
    """A transfer to one of our addresses was seen at the head, stands in a solid block, or left the chain.

    `solid` is given where an orphan is reported late: no block up to this height holds the transfer, whichever was reported.
    """

    kind: Kind
    transfer: TransferFact
    solid: int | None = None

    @property
    def stream(self) -> str:
        return self.transfer.stream


Fact = Report | Notice | Departure
NOTICES: Final = "notices"
"""The group of all notices: an unpause must not overtake the pause before it."""


class Forged(Exception):
    """The message was not made by the observer, or not kept as it was made; the text says how that shows."""


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The report's exact bytes, and their HMAC in hex."""

    report: msgspec.Raw
    mac: str


_ENCODE: Final = msgspec.json.Encoder().encode
_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
_FACTS: Final[msgspec.json.Decoder[Fact]] = msgspec.json.Decoder(Fact)


def message(fact: Fact, key: bytes | Rotating) -> Message:
    """A fact as the queue takes it: in order per address, or among notices; and once per stream, kind and block."""
    group = fact.transfer.to_address if isinstance(fact, Report) else NOTICES
    return Message(body=seal(_ENCODE(fact), key), group=group, key=name(fact))


def name(fact: Fact) -> str:
    """What the observer and the recorder both call a fact."""
    block_id = fact.transfer.block_id if isinstance(fact, Report) else fact.block_id
    waits = f":{fact.transfer.waits_for}" if isinstance(fact, Report) and fact.transfer.waits_for else ""
    return f"{fact.kind}:{fact.stream}:{block_id}{waits}"


def seal(report: bytes, key: bytes | Rotating) -> bytes:
    """A report's JSON, with its proof beside it."""
    return _ENCODE(_Envelope(report=msgspec.Raw(report), mac=_mac(report, rotating(key)()[0])))


def open(body: bytes, key: bytes | Rotating) -> Fact:  # noqa: A001 (the opposite of seal, always written facts.open)
    """The fact in a message. Raises Forged for anything that was not sealed with this key."""
    try:
        envelope = _ENVELOPES.decode(body)
        report = bytes(envelope.report)
        proofs = [_mac(report, each).encode() for each in rotating(key)()]
        if not any(hmac.compare_digest(proof, envelope.mac.encode()) for proof in proofs):
            raise Forged("its proof does not fit its words")
        return _FACTS.decode(report)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Forged(f"it is no fact: {error}") from error


def _mac(report: bytes, key: bytes) -> str:
    return hmac.new(key, report, hashlib.sha256).hexdigest()
