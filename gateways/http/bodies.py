"""What clients send: strict models that validate a request and are its schema in the OpenAPI document."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic import WithJsonSchema as Schema

from core.books import USER_LIABILITY
from core.money import InvalidAmount, parse_amount
from gateways.http.auth import Permission
from gateways.http.errors import FieldError
from gateways.http.positions import OPERATOR
from gateways.http.strict_json import escape

PAGE_MAX: Final = 200
PAGE_DEFAULT: Final = 50
NAME_MAX: Final = 200
REFERENCE_MAX: Final = 200
POSTINGS_MAX: Final = 50
UUID_PATTERN: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def _amount(value: object) -> int:
    """Decimal text -> minor units. Every currency here has 6 decimals."""
    if not isinstance(value, str):
        raise ValueError('must be a decimal in quotation marks, such as "12.50": a JSON number could lose digits')
    try:
        return parse_amount(value, "USDT")
    except InvalidAmount as error:
        raise ValueError(str(error)) from None


def _instant(value: object) -> datetime:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise ValueError("must be a time as RFC 3339 has it, with its zone, such as 2027-01-31T12:00:00Z")
    return parsed.astimezone(UTC)


def _webhook_url(value: str) -> str:
    """Form only; where the name leads is checked at every delivery, when the connection is made."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password")
    if parts.fragment or port == 0 or not value.isascii() or " " in value or "\\" in value:
        raise ValueError("must be a plain ASCII URL without a fragment")
    return value


def _stripped(value: str) -> str:
    if value != value.strip():
        raise ValueError("must not begin or end with a space")
    return value


Amount = Annotated[
    int,
    PlainValidator(_amount),
    Schema({"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,6})?$", "examples": ["12.50"]}),
]
"""A decimal string in a request, minor units (int) in the program."""
Instant = Annotated[datetime, PlainValidator(_instant), Schema({"type": "string", "format": "date-time"})]
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX), AfterValidator(_stripped)]
Reference = Annotated[str, Field(min_length=1, max_length=REFERENCE_MAX)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
WebhookUrl = Annotated[str, Field(max_length=2000), AfterValidator(_webhook_url)]
AccountId = Annotated[str, Field(pattern=UUID_PATTERN)]


def _leave_out_default(schema: dict[str, Any]) -> None:
    """A field that stays as it is when left out has no default to show."""
    schema.pop("default", None)


class Body(BaseModel):
    """A JSON object of exactly these fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class NewAccount(Body):
    """A company."""

    name: Name
    webhook_url: WebhookUrl | None = None
    """Where its events are sent; an http(s) URL of a public host."""


class AccountChange(Body):
    """What is given is changed, what is left out stays; `webhook_url: null` removes it."""

    name: Name = Field(default="", json_schema_extra=_leave_out_default)
    status: Literal["active", "suspended"] = Field(default="active", json_schema_extra=_leave_out_default)
    webhook_url: WebhookUrl | None = Field(default=None, json_schema_extra=_leave_out_default)


class NewApiKey(Body):
    """A key for an account; for the account "operator" it is an operator's, with the permission "operator" only."""

    name: Name
    permissions: Annotated[list[Permission | Literal["operator"]], Field(min_length=1, max_length=20)]
    expires_at: Instant | None = None


class NewLedgerAccount(Body):
    """A ledger account in the caller's book: one per end user, say."""

    code: Code
    name: Name
    type: Literal["liability"]
    """What the client opens is what we owe it."""


class NewPayin(Body):
    """A deposit address of its own."""

    client_reference: Reference | None = None
    ledger_account: Code = USER_LIABILITY
    """Code of the liability account that deposits are credited to."""


class NewPayout(Body):
    """USDT to an address on Tron; the fee is charged beside the amount."""

    to_address: Annotated[str, Field(max_length=100)]
    amount: Amount
    currency: Literal["USDT"] = "USDT"
    ledger_account: Code = USER_LIABILITY
    client_reference: Reference | None = None


class NewTransfer(Body):
    """Between two ledger accounts, of one client or of two; no chain is involved."""

    from_ledger_account: Code
    to_ledger_account: Code
    to_account_id: AccountId | None = None
    """The other client's account; left out, it is the caller's own."""
    amount: Amount


class AdjustmentPosting(Body):
    """One line, in the book of an account (its id) or of the "treasury"."""

    account_id: Annotated[str, Field(pattern=UUID_PATTERN.replace("$", "$|^treasury$"))]
    ledger_account: Code
    side: Literal["debit", "credit"]
    amount: Amount
    currency: Literal["USDT", "TRX"] = "USDT"


class NewAdjustment(Body):
    """A correction by the operator. Debits equal credits per book and currency."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]
    postings: Annotated[list[AdjustmentPosting], Field(min_length=2, max_length=POSTINGS_MAX)]


class NewRebuild(Body):
    """How a view is to be rebuilt."""

    hold: bool = False
    """Wait, once verified, for a resume before the new version serves."""


class RotateSecret(Body):
    """Nothing is asked."""


class TestWebhook(Body):
    """Nothing is asked."""

    __test__ = False  # for pytest: no test class


def _count(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,3}", value, re.ASCII) and 1 <= int(value) <= PAGE_MAX:
        return int(value)
    raise ValueError(f"must be a whole number from 1 to {PAGE_MAX}")


def _sequence(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value, re.ASCII):
        return int(value)
    raise ValueError("must be a sequence number: 0, or one that an event had")


Limit = Annotated[int, PlainValidator(_count), Schema({"type": "integer", "minimum": 1, "maximum": PAGE_MAX})]
Sequence = Annotated[int, PlainValidator(_sequence), Schema({"type": "integer", "minimum": 0})]


class Query(BaseModel):
    """The query parameters of a request that changes something: none."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Read(Query):
    """What every GET takes."""

    min_position: Annotated[str, Field(max_length=64)] | None = None
    """Wait (up to 5 s) until the view reflects this position, which an earlier answer gave."""


class AsOf(Read):
    """What can be asked as it was before."""

    as_of_position: Annotated[str, Field(max_length=64)] | None = None
    """As it was when the history had come to this position, which an earlier answer gave."""
    as_of: Instant | None = None
    """As it was at this time."""


class Page(Read):
    """What every list takes."""

    limit: Limit = PAGE_DEFAULT
    after: Annotated[str, Field(max_length=200)] | None = None
    """`next_cursor` of the page before."""


class DepositsPage(Page, AsOf):
    """Deposits, of one status or one address."""

    status: Literal["detected", "confirmed", "orphaned"] | None = None
    address: Annotated[str, Field(max_length=100)] | None = None


class JournalPage(Page, AsOf):
    """Journal entries, of one ledger account."""

    ledger_account: Code | None = None


class PayoutsPage(Page):
    """Payouts in one state."""

    state: Literal["requested", "pending_sign", "broadcasted", "confirmed", "failed", "cancelled"] | None = None


class SweepsPage(Page):
    """Sweeps in one state, or of one deposit address."""

    state: Literal["planned", "fuelled", "signed", "broadcast", "confirmed", "failed", "deferred"] | None = None
    address: Annotated[str, Field(max_length=100)] | None = None


class Period(Read):
    """From a time, which is in it, until another, which is not."""

    from_: Annotated[Instant, Field(alias="from")]
    """The beginning, which belongs to the period."""
    until: Instant
    """The end, which does not: the beginning of the next."""


class DifferenceRange(Read):
    """From a position, whose event is not in it, to another, whose event is."""

    from_: Annotated[Sequence, Field(alias="from")]
    """What stood behind this event is the beginning; 0 is before all."""
    to: Sequence
    """What stood behind this one is the end."""
    account_id: Annotated[str, Field(pattern=UUID_PATTERN.replace("$", "$|^treasury$"))] | None = None
    """Of one account's book, or the "treasury"'s."""


class ReceiptsPage(Page):
    """The receipts of one object."""

    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """Which object: its stream, such as `payout-<id>`, `payin-<id>`, `transfer-<id>` or `deposit-<tx_hash>-<log_index>`."""


class EventsPage(Read):
    """Events behind a sequence number, in order."""

    limit: Limit = PAGE_DEFAULT
    after: Sequence = 0


class DeliveriesPage(Page):
    """Webhook events of one status."""

    status: Literal["pending", "delivered", "exhausted", "disabled"] | None = None


class AuditPage(Page):
    """Audit entries of one account ("operator" for acts on none)."""

    account_id: Annotated[str, Field(pattern=UUID_PATTERN.replace("$", f"$|^{OPERATOR}$"))] | None = None


class RefusalsPage(Page):
    """Refused commands of one account ("operator" for an operator's own)."""

    account_id: Annotated[str, Field(pattern=UUID_PATTERN.replace("$", f"$|^{OPERATOR}$"))] | None = None


_SENTENCES: Final[dict[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not known here: check its spelling",
    "string_type": "must be a string",
    "list_type": "must be an array",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "none_required": "must be null",
}


def field_errors(error: ValidationError, *, query: bool = False) -> list[FieldError]:
    """pydantic's findings as pointers and sentences, without repeating what was sent."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        parts = [str(part) for part in item["loc"]]
        pointer = "?" + ".".join(parts) if query else "#" + "".join(f"/{escape(part)}" for part in parts)
        message = item["msg"].removeprefix("Value error, ")
        found.append(FieldError(pointer, _SENTENCES.get(item["type"], message[:1].lower() + message[1:])))
    return found


def by_meaning(body: BaseModel) -> dict[str, Any]:
    """The fields as they are understood: "1.5" and "1.50" are one amount, a default is as good as written out."""
    return body.model_dump()
