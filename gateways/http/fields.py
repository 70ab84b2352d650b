"""What clients send: strict models that validate a request and are its schema in the OpenAPI document."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic import WithJsonSchema as Schema

from core.ledger.journal import TREASURY
from core.ledger.money import InvalidAmount, parse_amount
from core.streams.accounts import OPERATOR
from core.tron.address import Address, InvalidAddress
from gateways.http.errors import FieldError
from gateways.http.strict_json import escape

PAGE_MAX: Final = 200
PAGE_DEFAULT: Final = 50
NAME_MAX: Final = 200
REFERENCE_MAX: Final = 200
POSTINGS_MAX: Final = 50
UUID_PATTERN: Final = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
"""Understood in any case; ours are in lower case."""
ADDRESS_LENGTH_MAX: Final = 100
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


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
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):  # there is no such day, or only in its own zone is there
        pass
    raise ValueError("must be a time as RFC 3339 has it, with its zone, such as 2027-01-31T12:00:00Z") from None


def _tron_address(value: str) -> str:
    """As base58, of base58 or of hex: who filters by an address has seen it here in both."""
    try:
        return (
            Address.from_hex(value.removeprefix("0x")) if is_hex_address(value) else Address.from_base58(value)
        ).base58
    except InvalidAddress as error:
        raise ValueError(f"must be a Tron address: {error}") from None


def is_hex_address(text: str) -> bool:
    """Whether somebody wrote an address in hex: 41 and 40 digits, 0x before it or not."""
    return re.fullmatch("(0x)?41[0-9a-fA-F]{40}", text, re.ASCII) is not None


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

Txid = Annotated[
    str, Field(pattern="^(0x)?[0-9a-fA-F]{64}$"), AfterValidator(lambda text: text.removeprefix("0x").lower())
]
"""Of a filter: in any case, 0x before it or not."""
AccountId = Annotated[str, Field(pattern=UUID_PATTERN), AfterValidator(str.lower)]
OperatorOrAccountId = Annotated[
    str, Field(pattern=UUID_PATTERN.replace("$", f"$|^{OPERATOR}$")), AfterValidator(str.lower)
]
TreasuryOrAccountId = Annotated[
    str, Field(pattern=UUID_PATTERN.replace("$", f"$|^{TREASURY}$")), AfterValidator(str.lower)
]
TronAddress = Annotated[str, Field(max_length=ADDRESS_LENGTH_MAX), AfterValidator(_tron_address)]
"""Of a filter: in base58 or in hex."""


def _leave_out_default(schema: dict[str, Any]) -> None:
    """A field that stays as it is when left out has no default to show."""
    schema.pop("default", None)


class Body(BaseModel):
    """A JSON object of exactly these fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


def _count(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,3}", value, re.ASCII) and 1 <= int(value) <= PAGE_MAX:
        return int(value)
    raise ValueError(f"must be a whole number from 1 to {PAGE_MAX}")


def _sequence(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value, re.ASCII):
        return int(value)
    raise ValueError("must be a sequence number: 0, or one that an event had")


WAIT_MAX_S: Final = 30


def _wait_s(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,2}", value, re.ASCII) and int(value) <= WAIT_MAX_S:
        return int(value)
    raise ValueError(f"must be a whole number of seconds from 0 to {WAIT_MAX_S}")


WaitS = Annotated[int, PlainValidator(_wait_s), Schema({"type": "integer", "minimum": 0, "maximum": WAIT_MAX_S})]
Limit = Annotated[int, PlainValidator(_count), Schema({"type": "integer", "minimum": 1, "maximum": PAGE_MAX})]
Sequence = Annotated[int, PlainValidator(_sequence), Schema({"type": "integer", "minimum": 0})]


class Query(BaseModel):
    """The query parameters of a request that changes something: none."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@cache
def repeatable(model: type[Query]) -> frozenset[str]:
    """The parameters that may be given several times: those that are lists, of texts."""
    schemas = model.model_json_schema().get("properties", {})
    return frozenset(
        name
        for name, schema in schemas.items()
        if any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))
    )


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
        pointer = f"?{parts[0]}" if query else "#" + "".join(f"/{escape(part)}" for part in parts)
        message = item["msg"].removeprefix("Value error, ")
        found.append(FieldError(pointer, _SENTENCES.get(item["type"], message[:1].lower() + message[1:])))
    return found


def by_meaning(body: BaseModel) -> dict[str, Any]:
    """The fields as they are understood: "1.5" and "1.50" are one amount, a default is as good as written out."""
    return body.model_dump()
