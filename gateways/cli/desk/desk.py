"""The operator's desk: endpoints of the API, asked by the person at this terminal without a socket and without a key.

A command is one or two endpoints and a table of their answer: what HTTP answers is the command's JSON, and whatever an endpoint
decides, refuses or notes in the log of acts is the same at the terminal.
"""

import asyncio
import getpass
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from pydantic import ValidationError

from core.ports.clients import ApiKey, AuditEntry
from core.streams.accounts import OPERATOR
from gateways.cli.acts import terminal_ip
from gateways.cli.installation import opened_database
from gateways.http.app import shared
from gateways.http.endpoint import ENDPOINTS, Api, Call, Endpoint, Reply
from gateways.http.errors import RequestRefused
from gateways.http.fields import field_errors
from gateways.postgres.roles import API
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform

Handler = Callable[..., Awaitable[Reply]]
_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class AtTerminal(Call):
    """The request of a person who sits here, on behalf of an account or of the operator's own."""

    @property
    def actor(self) -> str:
        return f"operator:{self.caller.id}"

    async def audit(self, action: str, account_id: str, **data: Any) -> None:
        entry = AuditEntry(
            account_id=account_id,
            at=self.api.platform.clock(),
            action=action,
            actor_id=self.actor,
            actor_type="operator",
            data=data,
            ip_address=self.ip_address,
            request_id=self.request_id,
        )
        await asyncio.to_thread(self.api.platform.audit.add, [entry])


class Desk:
    """Asks endpoints, each named by its function, on one event loop."""

    def __init__(self, api: Api, runner: asyncio.Runner) -> None:
        self._api = api
        self._runner = runner

    def ask(
        self,
        handler: Handler,
        *,
        account: str = OPERATOR,
        path: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        **query: object,
    ) -> dict[str, Any]:
        """What the endpoint answers, as JSON. `account`: whose it is. Raises UserError for a refusal, Unavailable."""
        declared = next(each for each in ENDPOINTS if each.handle is handler)
        for named in (account, query.get("account_id") or OPERATOR):
            if named != OPERATOR and not _UUID.fullmatch(str(named)):
                raise UserError(f"{named!r} is no account's id: `counterfoil accounts list` shows them")
        try:
            answer = self._runner.run(self._asked(declared, account.lower(), path or {}, body, query))
        except RequestRefused as refused:
            places = [f"{each.pointer} {each.detail}" for each in refused.errors]
            raise UserError(": ".join([refused.refusal.detail, *places])) from None
        except ValidationError as error:
            raise UserError("; ".join(f"{each.pointer} {each.detail}" for each in field_errors(error))) from None
        return dict(msgspec.json.decode(answer.body)) if answer.body else {}

    async def _asked(
        self,
        declared: Endpoint,
        account: str,
        path: dict[str, str],
        body: dict[str, Any] | None,
        query: dict[str, object],
    ) -> Reply:
        permissions = (OPERATOR,) if account == OPERATOR else (declared.permission or "",)
        now = self._api.platform.clock()
        person = ApiKey(getpass.getuser(), account, "terminal", permissions, "active", now, None)
        call = AtTerminal(self._api, person, path, str(uuid4()), terminal_ip(), declared.path)
        call.idempotency_key = str(uuid4())
        if declared.body is not None:
            return await declared.handle(call, declared.body.model_validate(body or {}))
        if declared.method != "GET":
            return await declared.handle(call)
        asked = {
            name: value if isinstance(value, str | list) else str(value)
            for name, value in query.items()
            if value is not None
        }
        return await declared.handle(call, declared.query.model_validate(asked))


@contextmanager
def at_desk(settings: Settings) -> Iterator[Desk]:
    """Over the installation's database, whether its processes run or not. Raises NotReady, Unavailable."""
    with (
        opened_database(settings) as database,
        open_platform(settings, API, database) as platform,
        asyncio.Runner() as runner,
    ):
        api = shared(platform)

        async def begin() -> None:
            api.writer.start()
            await api.queries.open()

        async def end() -> None:
            await api.writer.close()
            await api.keyring.close()
            await api.queries.close()

        runner.run(begin())
        try:
            yield Desk(api, runner)
        finally:
            runner.run(end())
            api.slow_reads.close()


def moment(text: str | None) -> str:
    """A time of an answer, for people."""
    return "" if text is None else f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
