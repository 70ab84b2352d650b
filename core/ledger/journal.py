"""Double entry: a posting debits or credits one ledger account; an entry balances per book and currency (I1)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1, sha256
from typing import Final, Literal
from uuid import UUID, uuid5

import msgspec

from core.ledger.money import in_its_unit

Side = Literal["debit", "credit"]
AccountType = Literal["asset", "liability", "equity", "revenue", "expense"]

TREASURY: Final = "treasury"
"""The operator's own book; every other book is named by the id of the client account it belongs to."""

_NAMESPACE: Final = UUID("6b1f6f0e-0f0c-5d5b-9a55-7a1c1b7f3c11")
TREASURY_ACCOUNT_ID: Final = uuid5(_NAMESPACE, TREASURY)
DEBIT_NORMAL: Final = frozenset({"asset", "expense"})
"""The types of ledger account that grow by debits."""
_NAMESPACE_BYTES: Final = _NAMESPACE.bytes
_UNNAMED: Final = ~(0xF << 76 | 0b11 << 62)
_VERSION_5: Final = 0x5 << 76 | 0b10 << 62
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOW_46_BITS: Final = (1 << 46) - 1


class Unbalanced(AssertionError):
    """Debits differ from credits: a defect, never a refusal (I1)."""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One side of an entry: which book and ledger account, and how many minor units of which currency (> 0)."""

    book: str
    account: str
    side: Side
    amount_minor: int
    currency: str


def debit(book: str, account: str, amount_minor: int, currency: str) -> Posting:
    return Posting(book, account, "debit", amount_minor, currency)


def credit(book: str, account: str, amount_minor: int, currency: str) -> Posting:
    return Posting(book, account, "credit", amount_minor, currency)


def entry(*postings: Posting) -> tuple[Posting, ...]:
    """The postings of one event, without zero lines. Raises Unbalanced unless every book balances per currency (I1)."""
    lines = tuple(posting for posting in postings if posting.amount_minor)
    check_balanced(lines)
    return lines


def check_balanced(postings: Sequence[Posting]) -> None:
    """Raises Unbalanced unless debits = credits per book and currency and every amount is positive (I1)."""
    if len(postings) == 2 and _mirrored(*postings):  # most entries there are: no table of sums for two lines
        return
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for posting in postings:
        if posting.amount_minor <= 0:
            said = in_its_unit(posting.amount_minor, posting.currency)
            raise Unbalanced(f"{posting.account} is posted {said}: amounts are positive")
        sums[posting.book, posting.currency] += (
            posting.amount_minor if posting.side == "debit" else -posting.amount_minor
        )
    for (book, currency), difference in sums.items():
        if difference:
            raise Unbalanced(f"book {book} is off by {in_its_unit(difference, currency)}: debits must equal credits")


def _mirrored(one: Posting, other: Posting) -> bool:
    return (
        one.amount_minor == other.amount_minor > 0
        and one.side != other.side
        and one.book == other.book
        and one.currency == other.currency
    )


def signed(posting: Posting, account_type: AccountType) -> int:
    """The change of the account's balance in its normal direction: a liability grows by credits, an asset by debits."""
    grows = posting.side == ("debit" if account_type in DEBIT_NORMAL else "credit")
    return posting.amount_minor if grows else -posting.amount_minor


@lru_cache(maxsize=65_536)
def ledger_account_id(book: str, code: str) -> UUID:
    """A ledger account's id follows from its book and code, so (account, code) is unique without asking anybody."""
    return _named(f"{book}/{code}")


@lru_cache(maxsize=65_536)
def ledger_account_bytes(book: str, code: str) -> bytes:
    """The same as its 16 bytes, which are a faster key than the object."""
    return ledger_account_id(book, code).bytes


@lru_cache(maxsize=65_536)
def account_id_of(book: str) -> UUID:
    """The account that owns a book; the treasury has a fixed id of its own."""
    return TREASURY_ACCOUNT_ID if book == TREASURY else UUID(book)


@lru_cache(maxsize=1_024)
def event_key(stream: str, version: int, occurred_at: datetime) -> int:
    """A UUIDv7 of the event's time, then 58 bits of a hash; the last 16 bits are free for its entries and their lines.

    Ids of one time stand together in every index, which therefore costs the same at any size. The hash covers the
    microsecond, which no client chooses: nobody can prepare two events that collide.
    """
    since = occurred_at - _UNIX
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    digest = int.from_bytes(sha256(f"{stream}/{version}/{microseconds}".encode()).digest()[:8], "big") >> 6
    return microseconds // 1000 << 80 | 0x7 << 76 | digest >> 46 << 64 | 0b10 << 62 | (digest & _LOW_46_BITS) << 16


def entry_id(key: int, number: int) -> int:
    """An event makes one journal entry per book it touches, numbered from 0 in the order of its postings.

    A posting's id is its entry's with its line, from 1, in the last byte.
    """
    return key | number << 8


def derived_id(kind: str, scope: str, key: str) -> UUID:
    """The id of what (scope, idempotency key) creates: the same request made twice names the same thing."""
    return _named(f"{kind}/{len(scope)}:{scope}/{key}")


def derived_text(kind: str, scope: str, key: str) -> str:
    """The same as text, for where many are made and no object is wanted."""
    digits = f"{_number(f'{kind}/{len(scope)}:{scope}/{key}'):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _named(name: str) -> UUID:
    """uuid5 in our namespace, in half the time of the library's."""
    return UUID(int=_number(name))


def _number(name: str) -> int:
    found = sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()[:16]
    return int.from_bytes(found, "big") & _UNNAMED | _VERSION_5
