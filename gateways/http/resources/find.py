"""Find: deposits, payouts, payins and whatever else has an id, by whatever a caller has; each kind by indexes of its own.

What is looked for is in no log and in no answer (I13): people paste keys where a transaction belongs.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, LiteralString, NamedTuple
from uuid import UUID

from pydantic import Field

from core.ledger.money import InvalidAmount, parse_amount
from core.streams.accounts import OPERATOR
from core.tron.address import Address, InvalidAddress
from gateways.http.answer import Answer, Position, Time, money
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import LooksLikeASecret, QueryTooShort, RequestRefused
from gateways.http.fields import UUID_PATTERN, Limit, is_hex_address
from gateways.http.resources import deposits, payouts
from gateways.http.resources.filters import Owned, asked_for, owner_shown

FOUND_DEFAULT: Final = 20
QUERY_CHARACTERS_MIN: Final = 2
AMOUNTS_SINCE: Final = timedelta(days=30)
"""An amount finds what is no older: there are too many of most amounts."""
_SECRET: Final = re.compile(r"cf_|whsec_|[a-z]{3,8}( [a-z]{3,8}){11,23}$")
"""An API key, a webhook secret, the words of a wallet."""
_UUID: Final = re.compile(UUID_PATTERN)
_TXID: Final = re.compile("(0x)?[0-9a-fA-F]{64}")
_BASE58: Final = re.compile("T[1-9A-HJ-NP-Za-km-z]{33}")
_AMOUNT: Final = re.compile(r"[0-9]{1,13}(\.[0-9]{1,6})?", re.ASCII)
_POSITION: Final = re.compile("[0-9]{1,18}", re.ASCII)

Term = Literal["id", "tx_hash", "address", "client_reference", "amount", "position"]
Noun = Literal["deposit", "payout", "payin", "payin_address", "journal_entry", "ledger_account", "event", "account"]


class Wanted(Owned):
    """What is looked for."""

    q: Annotated[str, Field(max_length=200)]
    """An id, a transaction, an address (base58 or hex), a reference, an amount such as 12.50; an operator's event position."""
    limit: Limit = FOUND_DEFAULT


class FoundThing(Answer, frozen=True):
    """One thing, in a line; `href` is where it is whole."""

    kind: Noun
    id: UUID
    title: str
    state: str | None
    at: Time
    href: str
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""


class Searched(Answer, frozen=True):
    """Up to which position the history was searched, and the kinds of thing that the key may read."""

    position: Position
    kinds: list[Noun]


class FoundThings(Answer, frozen=True):
    """The newest first. `has_more`: there are others; the lists of each kind page through them by the same filter."""

    data: list[FoundThing]
    has_more: bool
    searched: Searched


class Kind(NamedTuple):
    """A kind of thing: who may read it, where it is kept, and the condition that each term is for it."""

    noun: Noun
    permission: str
    view: str
    sql: LiteralString
    terms: Mapping[Term, LiteralString]
    href: str
    table: LiteralString = ""


_SINCE: Final = " AND {} >= %(since)s"
KINDS: Final[Sequence[Kind]] = (
    Kind(
        "deposit",
        "payins:read",
        "deposits",
        "SELECT id, account_id, status AS state, amount_minor, currency, 'from ' || from_address AS about, detected_at AS at,"
        ' "position" FROM observed_transactions AS d',
        {
            "id": "id = %(id)s::uuid",
            "tx_hash": "tx_hash = %(tx_hash)s",
            "address": "(address = %(address)s OR from_address = %(address)s)",
            "client_reference": deposits.FILTERS["client_reference"],
            "amount": "amount_minor = %(amount)s" + _SINCE.format("detected_at"),
        },
        "/v1/deposits/{id}",
    ),
    Kind(
        "payout",
        "payouts:read",
        "payouts",
        "SELECT id, account_id, state, amount_minor, currency, 'to ' || to_address_base58 AS about, created_at AS at,"
        ' "position" FROM payout_requests',
        {
            "id": "id = %(id)s::uuid",
            "tx_hash": payouts.FILTERS["tx_hash"],
            "address": "to_address_base58 = %(address)s",
            "client_reference": payouts.FILTERS["client_reference"],
            "amount": "amount_minor = %(amount)s" + _SINCE.format("created_at"),
        },
        "/v1/payouts/{id}",
    ),
    Kind(
        "payin",
        "payins:read",
        "payins",
        "SELECT p.id, p.account_id, p.state, NULL::bigint AS amount_minor, NULL AS currency,"
        " concat_ws(' for ', a.tron_address_base58, p.client_reference) AS about, p.created_at AS at, p.\"position\""
        " FROM payin_requests AS p JOIN payin_addresses AS a ON a.id = p.address_id",
        {
            "id": "p.id = %(id)s::uuid",
            "address": "a.tron_address_base58 = %(address)s",
            "client_reference": "p.client_reference = %(client_reference)s",
        },
        "/v1/payins/{id}",
        "p.",
    ),
    Kind(
        "payin_address",
        "payins:read",
        "payins",
        "SELECT id, account_id, status AS state, NULL::bigint AS amount_minor, NULL AS currency, tron_address_base58 AS about,"
        ' created_at AS at, "position" FROM payin_addresses',
        {"id": "id = %(id)s::uuid"},
        "/v1/payin-addresses/{id}",
    ),
    Kind(
        "journal_entry",
        "ledger:read",
        "journal",
        "SELECT id, account_id, NULL AS state, NULL::bigint AS amount_minor, NULL AS currency, event_type AS about,"
        ' created_at AS at, "position" FROM journal_entries',
        {"id": "id = %(id)s::uuid"},
        "/v1/journal-entries/{id}",
    ),
    Kind(
        "ledger_account",
        "ledger:read",
        "accounts",
        "SELECT id, account_id, status AS state, NULL::bigint AS amount_minor, NULL AS currency, code AS about,"
        ' created_at AS at, "position" FROM ledger_accounts',
        {"id": "id = %(id)s::uuid"},
        "/v1/ledger-accounts",
    ),
    Kind(
        "event",
        "events:read",
        "notifications",
        "SELECT id, account_id, NULL AS state, NULL::bigint AS amount_minor, NULL AS currency, type AS about, subject,"
        ' created_at AS at, "position" FROM client_events',
        {"position": '"position" = %(position)s'},
        "/v1/events?subject={subject}",
    ),
    Kind(
        "account",
        OPERATOR,
        "accounts",
        "SELECT id, id AS account_id, status AS state, NULL::bigint AS amount_minor, NULL AS currency, name AS about,"
        ' created_at AS at, "position" FROM (SELECT *, id AS account_id FROM accounts) AS accounts',
        {"id": "id = %(id)s::uuid"},
        "/v1/accounts/{id}",
    ),
)


@endpoint("GET", "/v1/find", None, FoundThings, query=Wanted, refusals=(QueryTooShort, LooksLikeASecret))
async def find(call: Call, wanted: Wanted) -> Reply:
    """Whatever has this id, transaction, address, reference or amount: a client's own; of any account for the operator."""
    text = wanted.q.strip()
    if _SECRET.match(text):
        raise RequestRefused(LooksLikeASecret())
    if len(text) < QUERY_CHARACTERS_MIN:
        raise RequestRefused(QueryTooShort(characters_min=QUERY_CHARACTERS_MIN))
    terms = terms_of(call, text)
    readable = [kind for kind in KINDS if call.is_operator or kind.permission in call.caller.permissions]
    await call.reached("accounts")
    found: dict[tuple[str, UUID], tuple[int, FoundThing]] = {}
    positions = [call.position or 0]
    more = False
    for kind in readable:
        asked = asked_for(call, wanted, table=kind.table)
        for term in terms.keys() & kind.terms.keys():
            rows = await call.read(
                kind.view,
                f'{kind.sql} WHERE {asked.where} AND {kind.terms[term]} ORDER BY {kind.table}"position" DESC LIMIT %(limit)s',
                limit=wanted.limit + 1,
                since=call.api.platform.clock() - AMOUNTS_SINCE,
                **{term: terms[term]},
                **asked.params,
            )
            positions.append(call.position or 0)
            more = more or len(rows) > wanted.limit
            found |= {(kind.noun, row.id): (row.position, _thing(call, kind, row)) for row in rows}
    newest = [thing for _, thing in sorted(found.values(), key=lambda each: each[0], reverse=True)]
    call.position = min(positions)
    searched = Searched(call.shown(call.position), [kind.noun for kind in readable])
    return reply(FoundThings(newest[: wanted.limit], more or len(newest) > wanted.limit, searched))


def terms_of(call: Call, text: str) -> dict[Term, Any]:
    """What the text may be. It is always a reference, too: clients choose theirs freely."""
    terms: dict[Term, Any] = {"client_reference": text}
    if _UUID.fullmatch(text):
        terms["id"] = text.lower()
    if _TXID.fullmatch(text):
        terms["tx_hash"] = text.removeprefix("0x").lower()
    if is_hex_address(text) or _BASE58.fullmatch(text):
        with suppress(InvalidAddress):  # a typing mistake, or a reference that looks alike
            read = Address.from_hex(text.removeprefix("0x")) if is_hex_address(text) else Address.from_base58(text)
            terms["address"] = read.base58
    if _AMOUNT.fullmatch(text):
        with suppress(InvalidAmount):
            terms["amount"] = parse_amount(text, "USDT")
    if call.is_operator and _POSITION.fullmatch(text):
        terms["position"] = int(text)
    return terms


def _thing(call: Call, kind: Kind, row: Any) -> FoundThing:
    coins = f"{money(row.amount_minor, row.currency)} {row.currency} " if row.amount_minor is not None else ""
    return FoundThing(
        kind=kind.noun,
        id=row.id,
        title=coins + row.about,
        state=row.state,
        at=row.at,
        href=kind.href.format(id=row.id, subject=getattr(row, "subject", "")),
        account_id=owner_shown(call, row),
    )
