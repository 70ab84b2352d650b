"""Accounts and their API keys: what the operator keeps, and what a caller may know of itself."""

import asyncio
import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from pydantic import AfterValidator, Field

from core.ledger.books import CLIENT_CHART
from core.ledger.journal import TREASURY, derived_id
from core.ledger.refusals import AccountNotFound, NotFound
from core.ports.clients import ApiKey
from core.streams.accounts import OPERATOR, AccountRegistered, ChangeAccount, RegisterAccount, account_stream
from core.streams.accounts import Account as AccountState
from gateways.http.answer import Answer, Position, Time, all_of, listed, of_row
from gateways.http.auth import Permission, key_hash, new_key
from gateways.http.endpoint import Call, Reply, before, endpoint, page_reply, reply
from gateways.http.errors import RequestRefused, invalid
from gateways.http.fields import UUID_PATTERN, Body, Instant, Name, Page, Read, _leave_out_default
from gateways.http.reading.positions import position_of
from gateways.http.uuid7 import uuid7


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


def must_be_safe(call: Call, webhook_url: str | None) -> None:
    """Where money is real nobody may read a webhook on its way, or have one knock at any port. Raises RequestRefused (422)."""
    if webhook_url is None or call.api.platform.settings.network != "mainnet":
        return
    parts = urlsplit(webhook_url)
    if parts.scheme != "https" or parts.port not in (None, *SAFE_PORTS):
        ports = " or ".join(map(str, SAFE_PORTS))
        raise invalid("#/webhook_url", f"must be https on mainnet, on port {ports}")


SAFE_PORTS: Final = (443, 8443)
WebhookUrl = Annotated[str, Field(max_length=2000), AfterValidator(_webhook_url)]


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
    accept_transfers: bool = Field(default=False, json_schema_extra=_leave_out_default)
    """Whether other accounts may transfer to it."""


class OwnAccountChange(Body):
    """What the account's owner decides itself."""

    accept_transfers: bool
    """Whether other accounts may transfer to it; they may not until it is said."""


class NewApiKey(Body):
    """A key for an account; for the account "operator" it is an operator's, with the permission "operator" only."""

    name: Name
    permissions: Annotated[list[Permission | Literal["operator"]], Field(min_length=1, max_length=20)]
    expires_at: Instant | None = None


class Account(Answer, frozen=True):
    """A company."""

    id: UUID
    name: str
    status: Literal["active", "suspended", "deleted"]
    webhook_url: str | None
    accept_transfers: bool
    created_at: Time
    position: Position | None = None
    """In the answer to a write: where it stands in the history."""


class ApiKeyAnswer(Answer, frozen=True):
    """An API key; `key` itself stands in the first answer to its creation and nowhere else."""

    id: str
    account_id: str
    name: str
    permissions: list[str]
    status: Literal["active", "revoked"]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    key: str | None = None

    @classmethod
    def of(cls, kept: ApiKey, key: str | None = None) -> "ApiKeyAnswer":
        return cls(
            id=kept.id,
            account_id=kept.account_id,
            name=kept.name,
            permissions=list(kept.permissions),
            status=kept.status,
            created_at=kept.created_at,
            expires_at=kept.expires_at,
            last_used_at=kept.last_used_at,
            key=key,
        )


_UUID: Final = re.compile(UUID_PATTERN)


_COLUMNS: Final = "id, name, status, webhook_url, accept_transfers, created_at"


def account_in(call: Call) -> str:
    """The account named in the path. Raises RequestRefused (404) when it cannot be one."""
    account_id = call.path["account_id"].lower()
    if not _UUID.fullmatch(account_id):
        raise RequestRefused(AccountNotFound())
    return account_id


def id_in(call: Call, noun: str) -> str:
    """The object's id in the path. Raises RequestRefused (404), as for one that does not exist."""
    if not _UUID.fullmatch(call.path["id"]):
        raise RequestRefused(NotFound(noun=noun))
    return call.path["id"].lower()


@endpoint("POST", "/v1/accounts", OPERATOR, Account, status=201, body=NewAccount, creates="stored")
async def register_account(call: Call, body: NewAccount) -> Reply:
    """Register a company; it gets its three ledger accounts at once."""
    must_be_safe(call, body.webhook_url)
    account_id = str(derived_id("account", call.account_id, call.idempotency_key))
    outcome = await call.submit(RegisterAccount(account_id, body.name, body.webhook_url, call.actor))
    registered = outcome.events[0].event
    assert isinstance(registered, AccountRegistered)
    await call.audit("account.register", account_id, name=body.name, webhook_url=body.webhook_url)
    answer = Account(
        id=UUID(account_id),
        name=registered.name,
        status="active",
        webhook_url=registered.webhook_url,
        accept_transfers=False,
        created_at=registered.occurred_at,
        position=call.shown(position_of(outcome, 1 + len(CLIENT_CHART))),
    )
    return reply(answer, 201)


@endpoint("GET", "/v1/accounts", OPERATOR, listed(Account), query=Page)
async def list_accounts(call: Call, page: Page) -> Reply:
    """All accounts, newest first."""
    rows = await call.read(
        "accounts",
        f'SELECT {_COLUMNS}, "position" FROM accounts WHERE "position" < %(before)s AND "position" > 0'
        ' ORDER BY "position" DESC LIMIT %(limit)s',
        before=before(call, page),
        limit=page.limit + 1,
    )
    return page_reply(call, page, [(row.position, of_row(Account, row)) for row in rows])


@endpoint("GET", "/v1/accounts/{account_id}", OPERATOR, Account, refusals=(AccountNotFound,))
async def get_account(call: Call, _: Read) -> Reply:
    """One account."""
    return await _account(call, account_in(call))


@endpoint("GET", "/v1/account", None, Account, refusals=(AccountNotFound,))
async def get_own_account(call: Call, _: Read) -> Reply:
    """The caller's account."""
    return await _account(call, call.account_id)


@endpoint("PATCH", "/v1/accounts/{account_id}", OPERATOR, Account, body=AccountChange, refusals=(AccountNotFound,))
async def change_account(call: Call, body: AccountChange) -> Reply:
    """Rename, suspend or reactivate an account, change its webhook URL, or whether it accepts transfers."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    if not given:
        raise invalid("#", "give at least one of name, status, webhook_url and accept_transfers")
    must_be_safe(call, given.get("webhook_url"))
    return await _changed(call, account_in(call), given)


@endpoint("PATCH", "/v1/account", "ledger:write", Account, body=OwnAccountChange, refusals=(AccountNotFound,))
async def change_own_account(call: Call, body: OwnAccountChange) -> Reply:
    """Accept transfers from other accounts, or no longer."""
    return await _changed(call, call.account_id, {"accept_transfers": body.accept_transfers})


async def _changed(call: Call, account_id: str, given: dict[str, Any]) -> Reply:
    outcome = await call.submit(ChangeAccount(account_id=account_id, actor=call.actor, **given))
    await call.audit("account.change", account_id, **given)
    history = await asyncio.to_thread(call.api.platform.store.histories, [account_stream(account_id)])
    state = AccountState()
    for recorded in history[account_stream(account_id)]:
        state = state.evolve(recorded.event)
    answer = Account(
        id=UUID(account_id),
        name=state.name,
        status="suspended" if state.status == "suspended" else "active",
        webhook_url=state.webhook_url,
        accept_transfers=state.accept_transfers,
        created_at=history[account_stream(account_id)][0].event.occurred_at,
        position=call.shown(outcome.position),
    )
    return reply(answer)


@endpoint(
    "POST",
    "/v1/accounts/{account_id}/api-keys",
    OPERATOR,
    ApiKeyAnswer,
    status=201,
    body=NewApiKey,
    creates="stored",
    refusals=(AccountNotFound,),
)
async def create_api_key(call: Call, body: NewApiKey) -> Reply:
    """Make an API key. `key` is shown in this answer and never again."""
    account_id = await _account_with_keys(call)
    platform = call.api.platform
    for_operator = account_id == OPERATOR
    if for_operator != (OPERATOR in body.permissions) or (for_operator and len(body.permissions) > 1):
        raise invalid("#/permissions", 'keys of the account "operator" have the permission operator, and only they')
    now = platform.clock()
    if body.expires_at is not None and body.expires_at <= now:
        raise invalid("#/expires_at", "is in the past")
    made = ApiKey(
        id=str(uuid7(now)),
        account_id=account_id,
        name=body.name,
        permissions=tuple(dict.fromkeys(body.permissions)),
        status="active",
        created_at=now,
        expires_at=body.expires_at,
    )
    key = new_key()
    await asyncio.to_thread(platform.api_keys.put, key_hash(platform.secrets.api_key_pepper, key), made)
    await call.audit("api-key.create", account_id, api_key_id=made.id, permissions=list(made.permissions))
    answer = ApiKeyAnswer.of(made, key)
    return reply(answer, 201, stored=msgspec.structs.replace(answer, key=None))


@endpoint("GET", "/v1/accounts/{account_id}/api-keys", OPERATOR, all_of(ApiKeyAnswer), refusals=(AccountNotFound,))
async def list_api_keys(call: Call, _: Read) -> Reply:
    """The account's API keys, newest first, revoked ones included; never the keys themselves."""
    account_id = await _account_with_keys(call)
    await call.reached("accounts")
    keys = await asyncio.to_thread(call.api.platform.api_keys.of_account, account_id)
    return reply(all_of(ApiKeyAnswer)([ApiKeyAnswer.of(key) for key in keys]))


@endpoint(
    "DELETE",
    "/v1/accounts/{account_id}/api-keys/{id}",
    OPERATOR,
    None,
    status=204,
    refusals=(AccountNotFound, NotFound),
)
async def revoke_api_key(call: Call) -> Reply:
    """Revoke an API key: dead here at once, and within 10 seconds in every other process."""
    account_id = call.path["account_id"] if call.path["account_id"] == OPERATOR else account_in(call)
    key_id = id_in(call, "API key")
    if not await asyncio.to_thread(call.api.platform.api_keys.revoke, account_id, key_id):
        raise RequestRefused(NotFound(noun="API key"))
    call.api.keyring.forget(key_id)
    await call.audit("api-key.revoke", account_id, api_key_id=key_id)
    return Reply(204, b"")


async def must_be_known(call: Call, account_id: str | None) -> None:
    """For a filter by account: an id that is nobody's is a mistake, not an empty list. Raises RequestRefused (422)."""
    if account_id in (None, OPERATOR, TREASURY):
        return
    stream = account_stream(account_id)
    if not (await asyncio.to_thread(call.api.platform.store.histories, [stream])).get(stream):
        raise invalid("?account_id", "is no account's id")


async def _account(call: Call, account_id: str) -> Reply:
    if not _UUID.fullmatch(account_id):
        raise RequestRefused(AccountNotFound())
    rows = await call.read(
        "accounts",
        f'SELECT {_COLUMNS} FROM accounts WHERE id = %(account_id)s::uuid AND "position" > 0',
        account_id=account_id,
    )
    if not rows:
        raise RequestRefused(AccountNotFound())
    return reply(of_row(Account, rows[0]))


async def _account_with_keys(call: Call) -> str:
    """The account named in the path, which exists or is the operator's own. It may be newer than the view."""
    if call.path["account_id"] == OPERATOR:
        return OPERATOR
    account_id = account_in(call)
    history = await asyncio.to_thread(call.api.platform.store.histories, [account_stream(account_id)])
    if not history.get(account_stream(account_id)):
        raise RequestRefused(AccountNotFound())
    return account_id
