"""A real server over a real database, and clients of it whose every answer is checked against the OpenAPI document."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import psycopg
from pydantic import SecretStr
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from core.ports.wallets import ReadyAddress
from core.tron.address import Address
from gateways.embedded.secrets_file import load_or_create
from gateways.embedded.webhook_outbox import PostgresWebhookOutbox
from gateways.http.app import server as make_server
from gateways.http.docs.openapi import document
from gateways.http.edge.server import Server
from gateways.postgres.connections import Connections, conninfo_of
from gateways.postgres.database import Database as PlatformDatabase
from gateways.postgres.event_store import datastore
from gateways.postgres.roles import API, PROJECTOR, RECORDER, SIGNER, WEBHOOKS
from gateways.settings import Settings
from gateways.wiring.opened import embedded
from gateways.wiring.platform import Platform
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import address
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

OPERATOR_KEY = "cf_operator_of-a-test-only-0123456789abcdef"
EVERYTHING = [
    "ledger:read",
    "ledger:write",
    "payins:read",
    "payins:write",
    "payouts:read",
    "payouts:write",
    "events:read",
    "webhooks:read",
    "webhooks:write",
]
PAYEE = address("payee").base58
_keys = itertools.count(1)

DOCUMENT = document()
_REGISTRY: Any = Registry().with_resource(
    "urn:api", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def settings_of(tmp_path: Path, **changes: Any) -> Settings:
    defaults = {
        "data": tmp_path,
        "http_port": 0,
        "operator_api_key": SecretStr(OPERATOR_KEY),
        "payout_fee": "1",
        "payout_min": "0.5",
        "rate_limit": "100000/minute",
        "database_pool": 4,
    }
    return Settings(**(defaults | changes))


def platform_of(database: Database, settings: Settings, role: str = API) -> Platform:
    load_or_create(settings.data / "secrets.json")
    return embedded(settings, PlatformDatabase(database.owner_url, database.role_urls, None), role)


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The server in a thread of its own -> its URL; told to stop at the end, and waited for."""
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    assert server.started, "the server did not start"
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.should_exit = True
        thread.join(HANG_S)
        assert not thread.is_alive(), "the server did not stop"


class Client(httpx2.Client):
    """Checks every answer, and gives every POST an Idempotency-Key of its own unless it has one."""

    account_id = ""
    key_id = ""

    def request(self, method: str, url: Any, *, headers: Any = None, **options: Any) -> httpx2.Response:  # type: ignore[override]
        headers = dict(headers or {})
        if method == "POST" and "idempotency-key" not in headers:
            headers["idempotency-key"] = f"key {next(_keys)}"
        if headers.get("idempotency-key") == "":
            del headers["idempotency-key"]
        answer = super().request(method, url, headers=headers, **options)
        check(method, answer)
        return answer

    def made(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """POST that must be accepted -> its answer."""
        answer = self.post(path, json=body, headers=headers)
        assert answer.status_code in (200, 201, 202), answer.text
        return dict(answer.json())

    def shown(self, path: str) -> dict[str, Any]:
        """GET that must succeed -> its answer."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def check(method: str, answer: httpx2.Response) -> None:
    """The answer is one that the OpenAPI document has for this operation."""
    template = template_of(answer.request.url.path)
    if template is None:
        assert answer.status_code == 404
        pointer = "#/components/schemas/Problem"
    else:
        operation = DOCUMENT["paths"][template].get(method.lower())
        if operation is None:
            assert answer.status_code == 405
            pointer = "#/components/schemas/Problem"
        else:
            if answer.status_code == 304:
                return
            declared = operation["responses"].get(str(answer.status_code))
            assert declared is not None, f"{method} {template} answers {answer.status_code}, undeclared: {answer.text}"
            content = declared.get("content", {})
            media_type = answer.headers["content-type"].split(";")[0]
            if answer.status_code == 204:
                return
            assert media_type in content, f"{method} {template} answers {media_type}"
            if "json" not in media_type:
                return
            schema = content[media_type]["schema"]
            if "$ref" not in schema:
                return
            pointer = schema["$ref"]
            if media_type == "application/problem+json":
                assert f"`{answer.json()['code']}`" in declared["description"], answer.text
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"urn:api{pointer}"},
        registry=_REGISTRY,
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )
    validator.validate(answer.json())


def template_of(path: str) -> str | None:
    """The document's path that this path is an instance of."""
    if path in DOCUMENT["paths"]:
        return path
    parts = path.split("/")
    for template in DOCUMENT["paths"]:
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(
            a == b or (a.startswith("{") and b) for a, b in zip(wanted, parts, strict=True)
        ):
            return str(template)
    return None


class World:
    """A running API, its platform, and the views when they are wished for."""

    def __init__(self, url: str, platform: Platform, signer: Platform, recorder: Platform) -> None:
        self.url = url
        self.platform = platform
        self.signer = signer
        self.recorder = recorder
        self.operator = self.client(OPERATOR_KEY)
        self.projector_url = conninfo_of(platform.logins[PROJECTOR])
        self._views = datastore(self.projector_url)
        self._deliverer = Connections(platform.logins[WEBHOOKS], connections_max=1)
        self.deliveries = PostgresWebhookOutbox(self._deliverer)
        tracking = ViewTracking(self._views)
        self._projector = Projector(list(VIEWS.values()), platform.store, tracking)
        self._projecting = threading.Lock()
        self._addresses = itertools.count(1)

    def client(self, key: str) -> Client:
        return Client(base_url=self.url, headers={"x-api-key": key}, timeout=HANG_S)

    def project(self) -> None:
        """Bring every view to the head."""
        with self._projecting:
            while self._projector.step():
                pass

    def company(self, name: str = "Acme", usdt: str | None = None, permissions: list[str] | None = None) -> Client:
        """A registered company with a key; `usdt` is put into its User_Liability by an adjustment."""
        account = self.operator.made("/v1/accounts", {"name": name})
        key = self.operator.made(
            f"/v1/accounts/{account['id']}/api-keys", {"name": "k", "permissions": permissions or EVERYTHING}
        )
        if usdt is not None:
            self.fund(account["id"], usdt)
        client = self.client(key["key"])
        client.account_id, client.key_id = account["id"], key["id"]
        return client

    def fund(self, account_id: str, usdt: str) -> None:
        lines = [
            (account_id, "System_Hot_Wallet_Asset", "debit"),
            (account_id, "User_Liability", "credit"),
            ("treasury", "Hot_Wallet_Asset", "debit"),
            ("treasury", "Custody_Control", "credit"),
        ]
        postings = [{"account_id": a, "ledger_account": c, "side": s, "amount": usdt} for a, c, s in lines]
        self.operator.made("/v1/adjustments", {"reason": "opening balance", "postings": postings})

    def fill_pool(self, count: int = 3) -> list[Address]:
        """Ready deposit addresses."""
        made = [address(f"pool {next(self._addresses)}") for _ in range(count)]
        self.signer.address_door.open()
        self.signer.pool.add([ReadyAddress(item.base58, item.hex(), f"m/{item.base58}") for item in made])
        return made

    def last_webhook_data(self, client: Client) -> str:
        """The data of the last event that the client is told, byte for byte as its webhook carries it."""
        with psycopg.connect(self.platform.reader_url) as conn:
            [(data,)] = conn.execute(
                "SELECT data::text FROM client_events WHERE account_id = %s ORDER BY sequence DESC LIMIT 1",
                (client.account_id,),
            )
        return str(data)

    def close(self) -> None:
        self._views.close()
        self._deliverer.close()
        self.platform.close()
        self.signer.close()
        self.recorder.close()


@contextmanager
def world(
    database: Database, tmp_path: Path, *, clock: Callable[[], datetime] | None = None, **changes: Any
) -> Iterator[World]:
    """A server over the database with a few `changes` of its settings, and `clock` instead of the time of day."""
    settings = settings_of(tmp_path, **changes)
    platform = platform_of(database, settings)
    if clock is not None:
        platform = replace(platform, clock=clock)
    with running(make_server(platform, linger_s=0.02)) as url:
        made = World(url, platform, *(platform_of(database, settings, role) for role in (SIGNER, RECORDER)))
        try:
            yield made
        finally:
            made.operator.close()
    made.close()
