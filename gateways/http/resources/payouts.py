"""Payouts over HTTP. A payout's stream is the memory of its idempotency key: the first answer follows from its first event."""

import asyncio
from typing import Annotated, Final, Literal

from pydantic import Field

from core.ledger.books import USER_LIABILITY
from core.ledger.events import Recorded
from core.ledger.journal import derived_id
from core.ledger.ledger import Accepted
from core.ledger.refusals import (
    AccountNotFound,
    AccountSuspended,
    AddressNotPayable,
    AmountBelowMinimum,
    AmountOutOfRange,
    InsufficientFunds,
    InvalidAddress,
    LedgerAccountNotFound,
    NotBeforeOutOfRange,
    NotFound,
    PayoutNotCancellable,
    PayoutNotWaiting,
    PriorityNotAllowed,
)
from core.streams.accounts import OPERATOR
from core.streams.addresses import DepositAddress, address_stream
from core.streams.payout.ends import CancelPayout
from core.streams.payout.turns import ExpeditePayout
from core.streams.payouts import (
    OWN_WALLET,
    PayoutOrder,
    PayoutRefused,
    PayoutRequested,
    Priority,
    RequestPayout,
    payout_stream,
)
from core.streams.treasury import WALLET_STREAMS, role_of
from core.tron.address import ZERO_ADDRESS, Address
from core.tron.address import InvalidAddress as NoTronAddress
from gateways.http.answer import Answer, listed
from gateways.http.edge.idempotency import answer_of, refused
from gateways.http.endpoint import Call, Reply, before, endpoint, page_reply, reply
from gateways.http.errors import RequestRefused
from gateways.http.fields import Amount, Body, Code, Instant, Read, Reference, TronAddress, is_hex_address
from gateways.http.resources.accounts import id_in
from gateways.http.resources.filters import Filters, Moved, asked_for, both, in_time, owner_shown
from projections.views.payouts import PAYOUT_COLUMNS, Payout, PayoutState, evolve

_AHEAD: Final = (
    "CASE own.state WHEN 'requested' THEN (SELECT count(*) FROM payout_requests AS other"
    " WHERE other.account_id = own.account_id AND other.state = 'requested' AND coalesce(other.not_before <= now(), true)"
    " AND (NOT other.expedited, other.priority <> 'high', other.\"position\")"
    " < (NOT own.expedited, own.priority <> 'high', own.\"position\")) END AS ahead"
)
"""How many of the same account's have their turn before it, if all of high priority do."""


class NewPayout(Body):
    """USDT to an address on Tron; the fee is charged beside the amount."""

    to_address: Annotated[str, Field(max_length=100)]
    amount: Amount
    currency: Literal["USDT"] = "USDT"
    ledger_account: Code = USER_LIABILITY
    client_reference: Reference | None = None
    priority: Priority = "normal"
    """"high" goes before the account's other payouts, one in five; it takes the permission payouts:priority."""
    not_before: Instant | None = None
    """It is made then, at most 90 days from now; amount and fee are reserved at once."""


class Expedite(Body):
    """Put a payout at the head of its account's lane."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]


class PayoutsPage(Moved):
    """Payouts, by what is known of them."""

    state: list[PayoutState] | None = None
    """In this state; may be given several times."""
    to_address: TronAddress | None = None
    """Who is paid."""


class AddressCheck(Answer, frozen=True):
    """`valid`: it is a Tron address; `payable`: a payout may go there; `reason` says why not."""

    address: str
    valid: bool
    payable: bool
    reason: str | None
    tron_address_base58: str | None = None
    tron_address_hex: str | None = None


@endpoint(
    "POST",
    "/v1/payouts",
    "payouts:write",
    Payout,
    status=202,
    body=NewPayout,
    creates="stream",
    refusals=(
        InsufficientFunds,
        InvalidAddress,
        AddressNotPayable,
        AmountBelowMinimum,
        AmountOutOfRange,
        NotBeforeOutOfRange,
        PriorityNotAllowed,
        LedgerAccountNotFound,
        AccountSuspended,
        AccountNotFound,
    ),
)
async def request_payout(call: Call, body: NewPayout) -> Reply:
    """Pay out USDT. Amount and fee are reserved at once; the key answers the same for ever, a refusal too."""
    must_be_payable(body.to_address, call.api.token)
    if body.priority == "high" and "payouts:priority" not in call.caller.permissions:
        raise RequestRefused(PriorityNotAllowed())
    account_id, key = call.account_id, call.idempotency_key
    settings = call.api.platform.settings
    order = PayoutOrder(
        payout_id=str(derived_id("payout", account_id, key)),
        account_id=account_id,
        ledger_account=body.ledger_account,
        to_address=body.to_address,
        amount_minor=body.amount,
        fee_minor=settings.payout_fee_minor,
        currency=body.currency,
        client_reference=body.client_reference,
        priority=body.priority,
        not_before=body.not_before,
    )
    outcome = await call.submit(RequestPayout(order, settings.payout_min_minor, call.actor))
    return answer_of(outcome, _first_answer(call, outcome.events[0]))


def _first_answer(call: Call, first: Recorded) -> Reply:
    """What the first request was answered, byte for byte: nothing in it comes from this request."""
    happened = first.event
    if isinstance(happened, PayoutRefused):
        return refused(call, happened, happened.order.payout_id)
    assert isinstance(happened, PayoutRequested)
    return reply(Payout.of(evolve(None, first), call.shown(first.position)), 202)


FILTERS: Final[Filters] = {
    "state": "state = ANY(%(state)s)",
    "to_address": "to_address_base58 = %(to_address)s",
    "tx_hash": "tron_tx_hash = %(tx_hash)s",
    "client_reference": "client_reference = %(client_reference)s",
    "ledger_account": "ledger_account = %(ledger_account)s",
    "min_amount": "amount_minor >= %(min_amount)s",
    "max_amount": "amount_minor <= %(max_amount)s",
}


@endpoint("GET", "/v1/payouts", "payouts:read", listed(Payout), query=PayoutsPage, operator_too=True)
async def list_payouts(call: Call, page: PayoutsPage) -> Reply:
    """The account's payouts, newest first. The operator reads any account's."""
    asked = both(asked_for(call, page, FILTERS), await in_time(call, page, "created_at"))
    rows = await call.read(
        "payouts",
        f'SELECT {PAYOUT_COLUMNS} FROM payout_requests WHERE {asked.where} AND "position" < %(before)s'
        ' ORDER BY "position" DESC LIMIT %(limit)s',
        before=before(call, page),
        limit=page.limit + 1,
        **asked.params,
    )
    found = [(row.position, Payout.of(row, account_id=owner_shown(call, row))) for row in rows]
    return page_reply(call, page, found)


@endpoint("GET", "/v1/payouts/{id}", "payouts:read", Payout, refusals=(NotFound,), operator_too=True)
async def get_payout(call: Call, _: Read) -> Reply:
    """One payout as it stands; while it is `requested`, with how many of the account's own are made before it."""
    asked = asked_for(call)
    row = await call.one(
        "payouts",
        "payout",
        f"SELECT {PAYOUT_COLUMNS}, {_AHEAD} FROM payout_requests AS own WHERE id = %(id)s::uuid AND {asked.where}",
        id=id_in(call, "payout"),
        **asked.params,
    )
    return reply(Payout.of(row, ahead=row.ahead, account_id=owner_shown(call, row)))


@endpoint(
    "POST",
    "/v1/payouts/{id}/cancel",
    "payouts:write",
    Payout,
    refusals=(NotFound, PayoutNotCancellable),
    operator_too=True,
)
async def cancel_payout(call: Call) -> Reply:
    """Cancel a payout that nothing was prepared for yet; amount and fee come back at once. The operator may cancel any."""
    stream = payout_stream(id_in(call, "payout"))
    history = (await asyncio.to_thread(call.api.platform.store.histories, [stream])).get(stream, [])
    requested = history[0].event if history else None
    if not isinstance(requested, PayoutRequested) or not (
        call.is_operator or requested.order.account_id == call.account_id
    ):
        raise RequestRefused(NotFound(noun="payout"))
    order = requested.order
    outcome = await call.submit(CancelPayout(order, call.actor))
    if call.is_operator:
        await call.audit("payout.cancel", order.account_id, payout_id=order.payout_id)
    cancelled = outcome.events[-1]
    row = evolve(evolve(None, history[0]), cancelled)
    return reply(Payout.of(row, call.shown(cancelled.position)))


@endpoint("POST", "/v1/payouts/{id}/expedite", OPERATOR, Payout, body=Expedite, refusals=(NotFound, PayoutNotWaiting))
async def expedite_payout(call: Call, body: Expedite) -> Reply:
    """Make it the next of its own account; other accounts' payouts keep their turns."""
    stream = payout_stream(id_in(call, "payout"))
    history = (await asyncio.to_thread(call.api.platform.store.histories, [stream])).get(stream, [])
    requested = history[0].event if history else None
    if not isinstance(requested, PayoutRequested):
        raise RequestRefused(NotFound(noun="payout"))
    order = requested.order
    outcome = await call.submit(ExpeditePayout(order, call.actor, reason=body.reason))
    await call.audit("payout.expedite", order.account_id, payout_id=order.payout_id, reason=body.reason)
    row = evolve(None, history[0])
    for recorded in (*history[1:], *(outcome.events if isinstance(outcome, Accepted) else ())):
        row = evolve(row, recorded)
    return reply(Payout.of(row, call.shown(outcome.position)))


@endpoint("GET", "/v1/address-checks/{address}", None, AddressCheck)
async def check_address(call: Call, _: Read) -> Reply:
    """Whether a payout could go to this address. Says nothing of other accounts' addresses."""
    await call.reached("payins")
    text = call.path["address"]
    try:
        payee = _payee(text)
    except NoTronAddress as error:
        return reply(AddressCheck(text, valid=False, payable=False, reason=str(error)))
    reason = unpayable(payee, call.api.token)
    if reason is None:
        stream = address_stream(payee.base58)
        state = DepositAddress()
        known = await asyncio.to_thread(call.api.platform.store.histories, [stream, *WALLET_STREAMS])
        for recorded in known.get(stream, []):
            state = state.evolve(recorded.event)
        if role_of(payee.base58, (known.get(each, []) for each in WALLET_STREAMS)):
            reason = OWN_WALLET
        elif state.assigned is not None and state.assigned.account_id == call.account_id:
            reason = "it is a deposit address of this account"
    return reply(
        AddressCheck(
            text,
            valid=True,
            payable=reason is None,
            reason=reason,
            tron_address_base58=payee.base58,
            tron_address_hex=payee.hex(),
        )
    )


def _payee(text: str) -> Address:
    """Raises NoTronAddress. Hex is understood and refused: a mistyped digit of it is another address."""
    if is_hex_address(text):
        raise NoTronAddress("it is written in hex, which has no checksum: write it in base58, 34 characters from T on")
    return Address.from_base58(text)


def must_be_payable(text: str, token: Address) -> None:
    """Raises RequestRefused: no Tron address (in its one canonical spelling), or one whose coins would be lost."""
    try:
        payee = _payee(text)
    except NoTronAddress as error:
        raise RequestRefused(InvalidAddress(reason=str(error))) from None
    reason = unpayable(payee, token)
    if reason is not None:
        raise RequestRefused(AddressNotPayable(address=text, reason=reason))


def unpayable(payee: Address, token: Address) -> str | None:
    """Why nobody should ever pay this address, or None."""
    if payee == ZERO_ADDRESS:
        return "it is the zero address, which nobody has the key of"
    if payee == token:
        return "it is the token's own contract, which keeps what it is sent"
    return None
