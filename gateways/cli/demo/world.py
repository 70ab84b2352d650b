"""What both halves of the demo play on: the story it prints, whom it asks, and how it waits for what must happen."""

import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import httpx2
import psycopg
from rich.console import Console

from gateways.cli.console import Table, folded
from gateways.settings import Settings
from projections.named import rows

WAIT_S: Final = 300.0
_SWEPT: Final = (
    "SELECT ended.stream, ended.position FROM history AS ended JOIN history AS planned USING (stream)"
    " WHERE ended.topic = 'sweep.confirmed/1' AND planned.topic = 'sweep.planned/1'"
    " AND planned.event -> 'sweep' ->> 'address' = %s"
)
_INDENT: Final = " " * 10


class Mismatch(Exception):
    """Something the demo proves does not hold."""


class Story:
    """Prints the lines: seconds since the start, what happened, where, and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = self._last = time.monotonic()

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]\n")

    def tell(self, what: str, *, txid: str = "", position: int | None = None) -> None:
        now = time.monotonic()
        took_ms, self._last = (now - self._last) * 1000, now
        room = self._console.width - len(_INDENT) if self._console.is_terminal else None
        event, took = f"event_{position}" if position else "", f"{took_ms:.0f}_ms"
        said = f"\n{_INDENT}".join(folded("  ".join(filter(None, (what, event, took))), room))
        # Underlined until here, so that a number and what it counts stay on one line.
        said = said.replace(took, f"[dim]{took.replace('_', ' ')}[/dim]")
        if event:
            said = said.replace(event, f"[cyan]{event.replace('_', ' ')}[/cyan]")
        self._console.print(f"[dim]{now - self._start:6.2f} s[/dim]  {said}", soft_wrap=True)
        if txid:
            self._console.print(f"{_INDENT}[magenta]tx {txid}[/magenta]", soft_wrap=True)

    def table(self, table: Table) -> None:
        self._console.print()
        self._console.print(
            "\n".join(table.lines(self._console.width if self._console.is_terminal else None)),
            markup=False,
            soft_wrap=True,
        )

    def verdict(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def get(client: httpx2.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    if answer.status_code != 200:
        raise Mismatch(f"GET {path} answered {answer.status_code}: {answer.text}")
    return dict(answer.json())


class World:
    """The installation as its operator, its client and the chain's users reach it."""

    def __init__(self, story: Story, settings: Settings, operator_key: str, devnet_url: str) -> None:
        self.story = story
        self.settings = settings.model_copy(update={"tron_node_url": devnet_url})
        """With the chain's address, for what is done at the command line."""
        self.api = f"http://127.0.0.1:{settings.http_port}"
        self.operator = httpx2.Client(base_url=self.api, headers={"x-api-key": operator_key}, timeout=30)
        self._devnet = httpx2.Client(base_url=devnet_url, timeout=30)
        self._history: psycopg.Connection | None = None

    def read_history(self, url: str) -> psycopg.Connection:
        """From now on the history is read there, to say at which position a thing was recorded."""
        self._history = psycopg.connect(url, autocommit=True)
        return self._history

    def payin(self, company: httpx2.Client, customer: int) -> str:
        payin = self.post(company, "/v1/payins", {"client_reference": f"customer {customer}"})
        address = str(payin["address"]["tron_address_base58"])
        self.story.tell(
            f"deposit address for customer {customer}: {address}", position=self.latest("address.assigned/1")
        )
        return address

    def faucet(self, address: str, **coins: str) -> str:
        answer = self._devnet.post("/devnet/faucet", json={"address": address, **coins})
        if answer.status_code != 200:
            raise Mismatch(f"the faucet answered {answer.status_code}: {answer.text}")
        return str(answer.json()["txid"])

    def post(self, client: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body, headers={"idempotency-key": secrets.token_hex(16)})
        if answer.status_code not in (200, 201, 202):
            raise Mismatch(f"POST {path} answered {answer.status_code}: {answer.text}")
        return dict(answer.json())

    def balance(self, company: httpx2.Client) -> str:
        rows = get(company, "/v1/balances")["data"]
        return next((str(row["amount"]) for row in rows if row["code"] == "User_Liability"), "0.000000")

    def event(self, stream: str, topic: str) -> int:
        return int(self.until(lambda: self._one("stream = %s AND topic = %s", stream, topic)))

    def first_of(self, stream: str, *topics: str) -> tuple[str, int]:
        """The topic, of those that may begin a stream, that did, and its position."""

        def found() -> tuple[int, str] | None:
            known = ((self._one("stream = %s AND topic = %s", stream, topic), topic) for topic in topics)
            return min(((position, topic) for position, topic in known if position), default=None)

        position, topic = self.until(found)
        return topic, position

    def swept(self, address: str) -> tuple[str, int]:
        """The sweep that came through, by its stream, and where: one may be put off first, and another planned."""
        assert self._history is not None
        history = self._history
        [ended] = self.until(lambda: list(rows(history, _SWEPT, (address,))))
        return str(ended.stream), int(ended.position)

    def latest(self, topic: str) -> int:
        return int(self.until(lambda: self._one("topic = %s", topic)))

    def position(self, topic: str, part: str, field: str, value: str, *, count: int) -> int:
        def found() -> int | None:
            row = self._read(
                'SELECT max("position") AS last, count(*) AS events FROM history WHERE topic = %s AND event -> %s ->> %s = %s',
                (topic, part, field, value),
            )
            return row.last if row.events >= count else None

        return int(self.until(found))

    def _one(self, condition: str, *values: str) -> int | None:
        last: int | None = self._read(f'SELECT max("position") AS last FROM history WHERE {condition}', values).last
        return last

    def until(self, look: Callable[[], Any]) -> Any:
        """What `look` gives as soon as it gives something. Raises Mismatch when it never does."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.02)
        raise Mismatch(f"nothing happened for {WAIT_S:.0f} s")

    def _read(self, statement: str, values: tuple[str, ...]) -> Any:
        """The only row."""
        assert self._history is not None
        [row] = rows(self._history, statement, values)
        return row
