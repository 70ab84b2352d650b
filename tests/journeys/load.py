"""A client that asks and orders all the time, for journeys in which something goes wrong meanwhile."""

import contextlib
import threading
from collections import Counter
from typing import Any

import httpx2

from tests.journeys.conftest import get
from tests.support.patience import HANG_S, until

PAUSE_S = 0.3
PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


class Load:
    """A client that asks and orders all the time, and keeps what it was answered."""

    def __init__(self, company: httpx2.Client, before: "Load | None" = None) -> None:
        """`before`: whose orders and answers are counted on."""
        self._company = company
        self._stop = threading.Event()
        self.answers: Counter[tuple[str, int]] = Counter() if before is None else before.answers
        self.orders: set[str] = set() if before is None else before.orders
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(HANG_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            name = f"p{len(self.orders)}"
            with contextlib.suppress(httpx2.TransportError):
                wish = {"to_address": PAYEE, "amount": "1"}
                answer = self._company.post("/v1/payouts", json=wish, headers={"idempotency-key": name})
                self.answers["POST", answer.status_code] += 1
                if answer.status_code in (200, 201, 202):
                    self.orders.add(answer.json()["id"])
                for path in ("/v1/balances", "/v1/payouts?limit=1"):
                    self.answers["GET", self._company.get(path).status_code] += 1
            self._stop.wait(PAUSE_S)

    def until_served(self, what: str) -> None:
        """Until three more orders were taken, and three more questions answered."""
        orders, asked = len(self.orders), self.answers["GET", 200]
        until(lambda: len(self.orders) >= orders + 3 and self.answers["GET", 200] >= asked + 3, what)

    def until_refused(self, what: str) -> None:
        refused = self.answers["POST", 503]
        until(lambda: self.answers["POST", 503] > refused, what)


def everything(company: httpx2.Client, path: str, **query: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = get(company, path, limit=100, **query, **cursor)
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = {"after": page["next_cursor"]}
