"""Payins over HTTP: a deposit address is asked for, and what arrives on it is shown."""

import asyncio
from typing import Any, Final, Literal
from uuid import UUID

from core.ledger.books import USER_LIABILITY
from core.ledger.journal import derived_id
from core.ledger.ledger import Accepted, Repeated
from core.ledger.refusals import AccountSuspended, AddressesExhausted, AddressTaken, LedgerAccountNotFound, NotFound
from core.streams.accounts import Account, LedgerAccount, account_stream, ledger_account_stream
from core.streams.addresses import DisablePayin, PayinRequested, RequestPayin, address_id, payin_stream
from core.tron.address import Address
from gateways.http.answer import Answer, Position, Time, listed, of_row
from gateways.http.endpoint import Call, Reply, before, endpoint, page_reply, reply
from gateways.http.errors import RequestRefused
from gateways.http.fields import Body, Code, Read, Reference, TronAddress
from gateways.http.reading.positions import position_of
from gateways.http.resources.accounts import id_in
from gateways.http.resources.filters import Filters, OwnedPage, asked_for, owner_shown


class NewPayin(Body):
    """A deposit address of its own."""

    client_reference: Reference | None = None
    ledger_account: Code = USER_LIABILITY
    """Code of the liability account that deposits are credited to."""


class PayinsPage(OwnedPage):
    """Payins, by what is known of them."""

    client_reference: Reference | None = None
    """Exactly this reference."""
    address: TronAddress | None = None
    """The deposit address."""


FILTERS: Final[Filters] = {
    "client_reference": "p.client_reference = %(client_reference)s",
    "address": "a.tron_address_base58 = %(address)s",
}


class PayinAddress(Answer, frozen=True):
    """A deposit address. Disabled is a label: what still arrives is booked all the same."""

    id: UUID
    tron_address_base58: str
    tron_address_hex: str
    status: Literal["active", "disabled"]


class AddressInList(Answer, frozen=True):
    """A deposit address, and which ledger account its deposits are credited to."""

    id: UUID
    tron_address_base58: str
    tron_address_hex: str
    status: Literal["active", "disabled"]
    ledger_account: str
    created_at: Time
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""


class Payin(Answer, frozen=True):
    """A request for deposits, with the address it was given."""

    id: UUID
    state: Literal["pending", "active", "disabled"]
    client_reference: str | None
    ledger_account: str
    address: PayinAddress
    created_at: Time
    position: Position | None = None
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""


_PAYIN_EVENTS: Final = 2
"""PayinRequested and AddressAssigned are appended together."""


_TAKEN_MAX: Final = 20


_PAYINS: Final = (
    "SELECT p.id, p.account_id, p.state, p.client_reference, p.ledger_account, a.id AS address_id, a.tron_address_base58,"
    ' a.tron_address_hex, a.status, p.created_at, p."position"'
    " FROM payin_requests AS p JOIN payin_addresses AS a ON a.id = p.address_id"
)


_ADDRESSES: Final = (
    'SELECT id, account_id, tron_address_base58, tron_address_hex, status, ledger_account, created_at, "position"'
    " FROM payin_addresses"
)


@endpoint(
    "POST",
    "/v1/payins",
    "payins:write",
    Payin,
    status=201,
    body=NewPayin,
    creates="stored",
    refusals=(LedgerAccountNotFound, AccountSuspended, AddressesExhausted),
)
async def request_payin(call: Call, body: NewPayin) -> Reply:
    """Ask for a deposit address. It is the account's own for ever."""
    payin_id = str(derived_id("payin", call.account_id, call.idempotency_key))
    outcome = await _assigned(call, payin_id, body)
    requested = outcome.events[0].event
    assert isinstance(requested, PayinRequested)
    answer = Payin(
        id=UUID(payin_id),
        state="active",
        client_reference=requested.client_reference,
        ledger_account=requested.ledger_account,
        address=_address(requested.address, "active"),
        created_at=requested.occurred_at,
        position=call.shown(position_of(outcome, _PAYIN_EVENTS)),
    )
    return reply(answer, 201)


async def _assigned(call: Call, payin_id: str, body: NewPayin) -> Accepted | Repeated:
    """The payin, made now or before. An address leaves the pool only for a request that is going to be accepted."""
    await asyncio.to_thread(_check, call, payin_id, body)
    for _ in range(_TAKEN_MAX):
        ready = await asyncio.to_thread(call.api.platform.pool.take)
        if ready is None:
            break
        try:
            return await call.submit(
                RequestPayin(
                    payin_id=payin_id,
                    account_id=call.account_id,
                    address=ready.base58,
                    address_hex=ready.hex,
                    key_id=ready.key_id,
                    ledger_account=body.ledger_account,
                    client_reference=body.client_reference,
                    actor=call.actor,
                )
            )
        except RequestRefused as refused:
            if not isinstance(refused.refusal, AddressTaken):
                raise
    raise RequestRefused(AddressesExhausted())


def _check(call: Call, payin_id: str, body: NewPayin) -> None:
    """Raises RequestRefused for what the decision would refuse anyway, before an address is taken for it."""
    account = account_stream(call.account_id)
    ledger_account = ledger_account_stream(call.account_id, body.ledger_account)
    past = call.api.platform.store.histories([account, ledger_account, payin_stream(payin_id)])
    if past.get(payin_stream(payin_id)):
        return
    state = Account()
    for recorded in past.get(account, []):
        state = state.evolve(recorded.event)
    if state.status == "suspended":
        raise RequestRefused(AccountSuspended())
    opened = LedgerAccount()
    for recorded in past.get(ledger_account, []):
        opened = opened.evolve(recorded.event)
    if opened.opened is None or opened.opened.type != "liability":
        raise RequestRefused(LedgerAccountNotFound(ledger_account=body.ledger_account))


@endpoint("GET", "/v1/payins", "payins:read", listed(Payin), query=PayinsPage, operator_too=True)
async def list_payins(call: Call, page: PayinsPage) -> Reply:
    """The account's payins, newest first. The operator reads any account's."""
    asked = asked_for(call, page, FILTERS, table="p.")
    rows = await call.read(
        "payins",
        f'{_PAYINS} WHERE {asked.where} AND p."position" < %(before)s ORDER BY p."position" DESC LIMIT %(limit)s',
        before=before(call, page),
        limit=page.limit + 1,
        **asked.params,
    )
    return page_reply(call, page, [(row.position, _payin(call, row)) for row in rows])


@endpoint("GET", "/v1/payins/{id}", "payins:read", Payin, refusals=(NotFound,), operator_too=True)
async def get_payin(call: Call, _: Read) -> Reply:
    """One payin."""
    asked = asked_for(call, table="p.")
    row = await call.one(
        "payins",
        "payin",
        f"{_PAYINS} WHERE p.id = %(id)s::uuid AND {asked.where}",
        id=id_in(call, "payin"),
        **asked.params,
    )
    return reply(_payin(call, row))


@endpoint("POST", "/v1/payins/{id}/disable", "payins:write", Payin, refusals=(NotFound,))
async def disable_payin(call: Call) -> Reply:
    """Label a payin as no longer wanted. What still arrives is booked all the same."""
    payin_id = id_in(call, "payin")
    outcome = await call.submit(DisablePayin(payin_id, call.account_id, call.actor))
    stream = payin_stream(payin_id)
    history = (await asyncio.to_thread(call.api.platform.store.histories, [stream]))[stream]
    requested = history[0].event
    assert isinstance(requested, PayinRequested)
    answer = Payin(
        id=UUID(payin_id),
        state="disabled",
        client_reference=requested.client_reference,
        ledger_account=requested.ledger_account,
        address=_address(requested.address, "disabled"),
        created_at=requested.occurred_at,
        position=call.shown(outcome.position),
    )
    return reply(answer)


@endpoint("GET", "/v1/payin-addresses", "payins:read", listed(AddressInList), query=OwnedPage, operator_too=True)
async def list_payin_addresses(call: Call, page: OwnedPage) -> Reply:
    """The account's deposit addresses, newest first. The operator reads any account's."""
    asked = asked_for(call, page)
    rows = await call.read(
        "payins",
        f'{_ADDRESSES} WHERE {asked.where} AND "position" < %(before)s ORDER BY "position" DESC LIMIT %(limit)s',
        before=before(call, page),
        limit=page.limit + 1,
        **asked.params,
    )
    found = [(row.position, of_row(AddressInList, row, account_id=owner_shown(call, row))) for row in rows]
    return page_reply(call, page, found)


@endpoint("GET", "/v1/payin-addresses/{id}", "payins:read", AddressInList, refusals=(NotFound,), operator_too=True)
async def get_payin_address(call: Call, _: Read) -> Reply:
    """One deposit address."""
    asked = asked_for(call)
    row = await call.one(
        "payins",
        "deposit address",
        f"{_ADDRESSES} WHERE id = %(id)s::uuid AND {asked.where}",
        id=id_in(call, "deposit address"),
        **asked.params,
    )
    return reply(of_row(AddressInList, row, account_id=owner_shown(call, row)))


def _payin(call: Call, row: Any) -> Payin:
    address = of_row(PayinAddress, row, id=row.address_id)
    return of_row(Payin, row, address=address, account_id=owner_shown(call, row))


def _address(base58: str, status: Literal["active", "disabled"]) -> PayinAddress:
    return PayinAddress(address_id(base58), base58, Address.from_base58(base58).hex(), status)
