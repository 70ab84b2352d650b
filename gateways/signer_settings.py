"""The forms of the signers' own settings: a limit that a person has written, and the approvers' public keys."""

from typing import Final

from core.ledger.money import parse_amount
from core.proofs.notes import NoteKey, NoteRefused
from core.tron.address import Address

UNLIMITED: Final = "unlimited"
MOST: Final = "The most USDT, or unlimited, that leave the hot wallet without an approval"


def limit_text(text: str) -> str:
    """An amount of USDT, 0 included, or "unlimited"; empty where nobody has said. Raises ValueError."""
    text = text.strip().lower()
    if text and text != UNLIMITED and text.strip("0."):
        parse_amount(text, "USDT")
    return text


def limit_minor(text: str) -> int | None:
    """In minor units; None: any amount."""
    if text in ("", UNLIMITED):
        return None
    return parse_amount(text, "USDT") if text.strip("0.") else 0


NO_COLD: Final = "none"
"""Said where there is no cold storage."""


def cold_text(text: str) -> str:
    """An address, NO_COLD, or nothing. Raises ValueError."""
    text = text.strip()
    if text.lower() == NO_COLD:
        return NO_COLD
    if text:
        Address.from_base58(text)
    return text


def approvers_text(text: str) -> str:
    """Raises ValueError unless these are public keys, each under a name of its own."""
    approvers_of(text)
    return text


def approvers_of(text: str) -> tuple[NoteKey, ...]:
    """Name+id+key of each approver, with commas between. Raises ValueError."""
    try:
        keys = tuple(NoteKey.parse(each) for each in text.split(",") if each.strip())
    except NoteRefused as error:
        raise ValueError(f"{error}: take what `counterfoil approvals keygen` prints") from error
    if len({key.name for key in keys}) < len(keys) or len({key.public_key for key in keys}) < len(keys):
        raise ValueError("each approver needs a name and a key of their own")
    return keys
