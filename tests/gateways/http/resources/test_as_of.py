"""As of: balances, journal and deposits as they were at any position and any time before."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.ledger.events import Recorded, postings_of
from core.ledger.journal import AccountType, signed
from core.ledger.ledger import Ledger
from core.ports.clients import ApiKey
from core.streams.accounts import LedgerAccountOpened
from core.streams.deposits import DepositConfirmed, DepositDetected, DepositOrphaned
from gateways.http.auth import key_hash
from gateways.http.reading.positions import Positions
from gateways.postgres.event_store import PostgresEventStore
from tests.gateways.http.harness import EVERYTHING, Client, World
from tests.support.checkpoints import Desk
from tests.support.history import ALICE, BOB, USDT, TickingClock, append_history, execute, fund
from tests.support.postgres import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Past:
    """The canonical history behind an API, a client of Alice's and one of Bob's, and tokens of any position."""

    def __init__(self, api: World, records: list[Recorded], desk: Desk) -> None:
        self.api, self.records, self.desk = api, records, desk
        self._positions = Positions(api.platform.secrets.position_key)
        self.clients = {account: self._client(account) for account in (ALICE, BOB)}

    def _client(self, account_id: str) -> Client:
        key = f"cf_test_{account_id}"
        record = ApiKey(account_id, account_id, "k", tuple(EVERYTHING), "active", START, None)
        self.api.platform.api_keys.put(key_hash(self.api.platform.secrets.api_key_pepper, key), record)
        client = self.api.client(key)
        client.account_id = account_id
        return client

    def token(self, account_id: str, position: int) -> str:
        owner = ApiKey(account_id, account_id, "k", (), "active", START, None)
        return str(self._positions.shown(owner, position))

    def at(self, account_id: str, path: str, position: int, **query: Any) -> Any:
        answer = self.clients[account_id].get(
            path, params={"as_of_position": self.token(account_id, position), **query}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def upto(self, position: int) -> list[Recorded]:
        return self.records[:position]


@pytest.fixture
def past(api: World, database: Database, ledger: Ledger, store: PostgresEventStore, tmp_path: Path) -> Iterator[Past]:
    head = append_history(ledger)
    api.project()
    desk = Desk(database, tmp_path / "archive")
    while desk.checkpoints._tree.grow():
        pass
    yield Past(api, store.read(0, head), desk)
    desk.login.close()


def booked(records: list[Recorded], account_id: str) -> dict[tuple[str, str], int]:
    """What the events up to there make of every account of a book."""
    kinds: dict[str, AccountType] = {}
    amounts: dict[tuple[str, str], int] = {}
    for record in records:
        happened = record.event
        if isinstance(happened, LedgerAccountOpened) and happened.account_id == account_id:
            kinds[happened.code] = happened.type
            amounts[happened.code, "USDT"] = 0
        for line in postings_of(happened):
            if line.book == account_id:
                amounts[line.account, line.currency] += signed(line, kinds[line.account])
    return amounts


def test_balances_of_every_position(past: Past) -> None:
    """At each position there ever was, a client's balances are what the events up to there make them."""
    for position in range(1, len(past.records) + 1):
        for account_id in (ALICE, BOB):
            shown = past.at(account_id, "/v1/balances", position)
            assert {(row["code"], row["currency"]): row["amount_minor"] for row in shown} == booked(
                past.upto(position), account_id
            ), position
            assert all(row["pending_minor"] is None for row in shown)


def test_the_journal_of_every_position(past: Past) -> None:
    """At each position the journal ends there, whole or by ledger account, in pages of any size."""
    for position in range(1, len(past.records) + 1, 5):
        entries = [
            record.event
            for record in past.upto(position)
            if any(line.book == ALICE for line in postings_of(record.event))
        ]
        shown = past.at(ALICE, "/v1/journal-entries", position, limit=200)
        assert len(shown) == len(entries)
        first = past.clients[ALICE].get(
            "/v1/journal-entries", params={"as_of_position": past.token(ALICE, position), "limit": 3}
        )
        if first.json()["has_more"]:
            rest = past.at(ALICE, "/v1/journal-entries", position, limit=200, after=first.json()["next_cursor"])
            assert first.json()["data"] + rest == shown
        of_one = past.at(ALICE, "/v1/journal-entries", position, ledger_account="User_Liability", limit=200)
        total = sum(
            signed_amount(line) for entry in of_one for line in entry["postings"] if line["code"] == "User_Liability"
        )
        assert total == booked(past.upto(position), ALICE).get(("User_Liability", "USDT"), 0)


def signed_amount(line: dict[str, Any]) -> int:
    return int(line["amount_minor"]) if line["side"] == "credit" else -int(line["amount_minor"])


def test_deposits_of_every_position(past: Past) -> None:
    """At each position a deposit has the status it had then, and one that was not seen yet is not there."""
    kinds = {DepositDetected: "detected", DepositConfirmed: "confirmed", DepositOrphaned: "orphaned"}
    for position in range(1, len(past.records) + 1):
        for account_id in (ALICE, BOB):
            then: dict[str, str] = {}
            for record in past.upto(position):
                if type(record.event) in kinds and getattr(record.event, "account_id", "") == account_id:
                    then[record.stream] = kinds[type(record.event)]  # type: ignore[index]
            shown = past.at(account_id, "/v1/deposits", position)
            assert {f"deposit-{row['tx_hash']}-{row['log_index']}": row["status"] for row in shown} == then, position
            for status in kinds.values():
                named = past.at(account_id, "/v1/deposits", position, status=status)
                assert named == [row for row in shown if row["status"] == status]


def test_deposits_page_by_page(past: Past) -> None:
    """Pages of one hold each deposit once, also where a status leaves most of them out."""
    position = len(past.records)
    for status in (None, "detected"):
        query = {"as_of_position": past.token(BOB, position), **({"status": status} if status else {})}
        whole = past.clients[BOB].get("/v1/deposits", params=query).json()["data"]
        paged: list[Any] = []
        page = past.clients[BOB].get("/v1/deposits", params={**query, "limit": 1}).json()
        paged += page["data"]
        while page["has_more"]:
            page = (
                past.clients[BOB].get("/v1/deposits", params={**query, "limit": 1, "after": page["next_cursor"]}).json()
            )
            paged += page["data"]
        assert paged == whole


def test_a_time_is_the_position_where_it_ended(past: Past) -> None:
    """As of a time stops behind the last event of that second; the answer names the position, which gives the same again."""
    times = [record.event.occurred_at for record in past.records]
    for at in (times[0], times[20], times[40], times[-1]):
        last = max(position for position, time in enumerate(times, start=1) if time <= at)
        answer = past.clients[ALICE].get("/v1/balances", params={"as_of": f"{at:%Y-%m-%dT%H:%M:%SZ}"})
        assert answer.headers["counterfoil-as-of"] == past.token(ALICE, last)
        assert answer.json()["data"] == past.at(ALICE, "/v1/balances", last)
    nothing = past.clients[ALICE].get("/v1/balances", params={"as_of": "2025-01-01T00:00:00Z"})
    assert nothing.json()["data"] == []


class Backdated(TickingClock):
    """An hour behind."""

    def __call__(self) -> datetime:
        return super().__call__() - timedelta(hours=1)


def test_a_slow_clock_changes_no_past(past: Past, store: PostgresEventStore) -> None:
    """What was told of a time stays so when a process with a slow clock writes later, with or without tiles over it."""
    at = past.records[40].event.occurred_at
    asked = {"as_of": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    before = past.clients[ALICE].get("/v1/balances", params=asked)
    clock = Backdated()
    for number in range(3):
        execute(Ledger(store, clock), fund(ALICE, USDT, f"late {number}"))
        past.api.project()
        again = past.clients[ALICE].get("/v1/balances", params=asked)
        assert again.json() == before.json()
        assert again.headers["counterfoil-as-of"] == before.headers["counterfoil-as-of"]
        past.desk.checkpoints._tree.grow()


def test_every_tile_is_found(past: Past, store: PostgresEventStore) -> None:
    """A time in any of several tiles, or behind the last one, leads to the right position."""
    clock = TickingClock()
    clock._now = past.records[-1].event.occurred_at
    ledger = Ledger(store, clock)
    for batch in range(30):
        execute(ledger, *(fund(ALICE, USDT, f"{batch} {number}") for number in range(30)))
    past.api.project()
    past.desk.checkpoints._tree.grow(events_max=700)
    records = store.read(0, 10_000)
    times = [record.event.occurred_at for record in records]
    for number in range(0, len(records), 37):
        at = times[number]
        last = max(position for position, time in enumerate(times, start=1) if time <= at)
        answer = past.clients[ALICE].get("/v1/balances", params={"as_of": f"{at:%Y-%m-%dT%H:%M:%SZ}"})
        assert answer.headers["counterfoil-as-of"] == past.token(ALICE, last)


@pytest.mark.parametrize("path", ["/v1/balances", "/v1/journal-entries", "/v1/deposits"])
@pytest.mark.parametrize(
    "query",
    [
        {"as_of": "2999-01-01T00:00:00Z"},
        {"as_of": "yesterday"},
        {"as_of": "2026-01-01T00:00:00"},
        {"as_of_position": "17"},
        {"as_of_position": "A" * 22},
    ],
)
def test_what_is_no_time_and_no_position_is_refused(shared: World, path: str, query: dict[str, str]) -> None:
    """The future, a time without its zone and a position that nobody gave are a 422 that names the parameter."""
    acme = shared.company()
    refused = acme.get(path, params=query)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
    assert refused.json()["errors"][0]["pointer"] == f"?{next(iter(query))}"


def test_both_at_once_or_another_s_position_are_refused(shared: World) -> None:
    """A token is the account's own; a time and a position together say nothing (I12)."""
    acme, other = shared.company(usdt="5"), shared.company("Other", usdt="5")
    shared.project()
    position = acme.get("/v1/balances").headers["counterfoil-position"]
    both = {"as_of_position": position, "as_of": "2026-01-01T00:00:00Z"}
    assert acme.get("/v1/balances", params={"as_of_position": position}).status_code == 200
    assert acme.get("/v1/balances", params=both).status_code == 422
    assert other.get("/v1/balances", params={"as_of_position": position}).status_code == 422


def test_the_signs_are_those_of_the_accounts(past: Past) -> None:
    """A liability grows by credits, an asset by debits, then as now."""
    position = len(past.records)
    now = past.clients[ALICE].shown("/v1/balances")["data"]
    then = past.at(ALICE, "/v1/balances", position)
    assert [{**row, "pending_minor": None, "updated_at": 0} for row in now] == [
        {**row, "updated_at": 0} for row in then
    ]
    moved = [line for record in past.records for line in postings_of(record.event) if line.book == ALICE]
    assert sum(signed(line, "asset") for line in moved if line.account == "System_Hot_Wallet_Asset") == next(
        row["amount_minor"] for row in then if row["type"] == "asset"
    )
