"""Accounts and their API keys: what the operator keeps, and what a caller may know of itself."""

import asyncio
import re
from typing import Final
from uuid import UUID

import msgspec

from core.accounts import Account as AccountState
from core.accounts import AccountRegistered, ChangeAccount, RegisterAccount, account_stream
from core.books import CLIENT_CHART
from core.journal import derived_id
from core.ports import ApiKey
from core.rejections import AccountNotFound, NotFound
from gateways.http.answers import Account, ApiKeyAnswer, all_of, listed
from gateways.http.auth import key_hash, new_key
from gateways.http.bodies import UUID_PATTERN, AccountChange, NewAccount, NewApiKey, Page, Read
from gateways.http.endpoints import Call, Reply, before, endpoint, page_reply, reply
from gateways.http.errors import Refusal, invalid
from gateways.http.positions import OPERATOR, position_of
from gateways.http.uuid7 import uuid7

_UUID: Final = re.compile(UUID_PATTERN)
_COLUMNS: Final = "id, name, status, webhook_url, created_at"


def account_in(call: Call) -> str:
    """The account named in the path. Raises Refusal (404) when it cannot be one."""
    account_id = call.path["account_id"]
    if not _UUID.fullmatch(account_id):
        raise Refusal(AccountNotFound())
    return account_id


def id_in(call: Call, noun: str) -> str:
    """The object's id in the path. Raises Refusal (404), as for one that does not exist."""
    if not _UUID.fullmatch(call.path["id"]):
        raise Refusal(NotFound(noun=noun))
    return call.path["id"]


@endpoint("POST", "/v1/accounts", OPERATOR, Account, status=201, body=NewAccount, creates="stored")
async def register_account(call: Call, body: NewAccount) -> Reply:
    """Register a company; it gets its three ledger accounts at once."""
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
    return page_reply(call, page, [(row[-1], Account(*row[:-1])) for row in rows])


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
    """Rename, suspend or reactivate an account, or change its webhook URL."""
    account_id = account_in(call)
    given = {name: getattr(body, name) for name in body.model_fields_set}
    if not given:
        raise invalid("#", "give at least one of name, status and webhook_url")
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
        raise Refusal(NotFound(noun="API key"))
    call.api.keyring.forget(key_id)
    await call.audit("api-key.revoke", account_id, api_key_id=key_id)
    return Reply(204, b"")


async def _account(call: Call, account_id: str) -> Reply:
    if not _UUID.fullmatch(account_id):
        raise Refusal(AccountNotFound())
    rows = await call.read(
        "accounts",
        f'SELECT {_COLUMNS} FROM accounts WHERE id = %(account_id)s::uuid AND "position" > 0',
        account_id=account_id,
    )
    if not rows:
        raise Refusal(AccountNotFound())
    return reply(Account(*rows[0]))


async def _account_with_keys(call: Call) -> str:
    """The account named in the path, which exists or is the operator's own. It may be newer than the view."""
    if call.path["account_id"] == OPERATOR:
        return OPERATOR
    account_id = account_in(call)
    history = await asyncio.to_thread(call.api.platform.store.histories, [account_stream(account_id)])
    if not history.get(account_stream(account_id)):
        raise Refusal(AccountNotFound())
    return account_id
