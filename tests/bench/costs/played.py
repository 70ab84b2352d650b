"""What is played, and how often who called what meanwhile: every process of an installation in MODE=aws, on the emulator."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, NamedTuple

import httpx2

from gateways.processes.registry import PROCESSES
from gateways.settings import load
from tests.journeys.aws import installation
from tests.journeys.conftest import Installation, get, post
from tests.support.aws import CREDENTIALS, REGION, emulator
from tests.support.emulator.billing import BILLED
from tests.support.history import address
from tests.support.http_server import Answered, HttpServer, serving
from tests.support.patience import HANG_S, until

BLOCK_MS: Final = 200
ALONE: Final = 4
"""Deposits, one after another."""
TOGETHER: Final = 100
"""Deposits of one block."""
ADDRESSES: Final = 10
IDLE_S: Final = 61.0
"""Three polls of 20 s, and whatever is done once a minute."""
QUIET_S: Final = 1.5
"""Without a call that brought anything: then a scenario is over."""


class Call(NamedTuple):
    """Who calls what."""

    process: str
    service: str
    operation: str
    resource: str
    is_empty: bool


class Count(NamedTuple):
    """How often, and how many units AWS charges for."""

    calls: float
    units: float


Counts = dict[Call, Count]


class Played(NamedTuple):
    """What one scenario called for, per thing that it is about; a sweep with its deposit. `idle` is for a second."""

    idle: Counts
    alone: Counts
    together: Counts
    payout: Counts
    sweep: Counts


class Watch:
    """What was called since the last look."""

    def __init__(self, url: str) -> None:
        self._url = url + BILLED

    def take(self) -> Counts:
        told = httpx2.delete(self._url, timeout=HANG_S).json()
        return _counts(told)

    def look(self) -> Counts:
        return _counts(httpx2.get(self._url, timeout=HANG_S).json())

    def until_quiet(self) -> None:
        """Until nothing has been brought for a while; polls and looks that find nothing are none of it."""
        state, since = self._brought(), time.monotonic()

        def quiet() -> bool:
            nonlocal state, since
            now = self._brought()
            if now != state:
                state, since = now, time.monotonic()
            return time.monotonic() - since > QUIET_S

        until(quiet, "everything is done with")

    def _brought(self) -> dict[Call, float]:
        looks = ("GetItem", "GET", "GetQueueAttributes")
        return {
            call: count.calls
            for call, count in self.look().items()
            if not call.is_empty and call.operation not in looks
        }


def _counts(told: list[list[object]]) -> Counts:
    counts: Counts = {}
    for process, service, operation, resource, is_empty, calls, units in told:
        if process in PROCESSES:
            call = Call(str(process), str(service), str(operation), str(resource), bool(is_empty))
            counts[call] = Count(float(str(calls)), float(str(units)))
    return counts


def play() -> Played:
    """All of it, on servers of its own."""
    with _installed() as player:
        return player.play()


def play_alone() -> Counts:
    """Deposits that come alone, for each of them; what is asked while nothing happens, too, is in it."""
    with _installed() as player:
        return player.play_alone()


@contextmanager
def _installed() -> Iterator["_Player"]:
    os.environ.update(CREDENTIALS)
    limits = {"sweep_threshold": "1000", "sweep_interval_s": "1", "rate_limit": "100000/minute"}
    with (
        emulator() as url,
        serving(lambda _: Answered()) as endpoint,
        installation(
            load({}, mode="aws", aws_endpoint_url=url, aws_region=REGION),
            block_ms=BLOCK_MS,
            queue_poll_s="20",
            **limits,
        ) as running,
    ):
        yield _Player(running, Watch(url), endpoint)


class _Player:
    def __init__(self, running: Installation, watch: Watch, endpoint: HttpServer) -> None:
        self._running = running
        self._watch = watch
        self._endpoint = endpoint
        self._company = running.company(webhook_url=endpoint.url)
        self._deposits = 0

    def play(self) -> Played:
        addresses = [self._address(number) for number in range(ADDRESSES)]
        with self._running.operator() as operator:
            wallets = until(lambda: get(operator, "/v1/system-wallets")["data"], "the wallets are registered")
            for wallet in wallets:
                self._running.faucet(wallet["address"], usdt="10000", trx="10000")
            self._deposit(addresses[:1])  # whatever is asked once is asked
            idle_per_s = self._idle()
            alone = self._count(idle_per_s, ALONE, lambda: self._deposits_alone(addresses[0]))
            together = self._count(idle_per_s, TOGETHER, lambda: self._deposit((addresses * TOGETHER)[:TOGETHER]))
            payout = self._count(idle_per_s, 1, self._payout)
            sweep = self._count(idle_per_s, 1, lambda: self._sweep(operator, addresses[0]))
            return Played(idle_per_s, alone, together, payout, sweep)

    def play_alone(self) -> Counts:
        address = until(lambda: self._address(0), "an address is ready")
        self._deposit([address])
        return self._count({}, ALONE, lambda: self._deposits_alone(address))

    def _idle(self) -> Counts:
        self._watch.until_quiet()
        self._watch.take()
        began = time.monotonic()
        time.sleep(IDLE_S)
        took = time.monotonic() - began
        return {call: Count(count.calls / took, count.units / took) for call, count in self._watch.take().items()}

    def _count(self, idle_per_s: Counts, times: int, act: Callable[[], object]) -> Counts:
        """What it called for, each time; what is asked while nothing happens, too, is none of it."""
        self._watch.until_quiet()
        self._watch.take()
        began = time.monotonic()
        act()
        self._watch.until_quiet()
        took = time.monotonic() - began
        found: Counts = {}
        for call, count in self._watch.take().items():
            idle = idle_per_s.get(call, Count(0, 0))
            left = Count(max(0.0, count.calls - idle.calls * took), max(0.0, count.units - idle.units * took))
            if not call.is_empty and left.calls >= 0.5:
                found[call] = Count(left.calls / times, left.units / times)
        return found

    def _address(self, number: int) -> str:
        body = {"client_reference": f"customer {number}"}
        return str(post(self._company, "/v1/payins", body)["address"]["tron_address_base58"])

    def _deposits_alone(self, to: str) -> None:
        for _ in range(ALONE):
            self._deposit([to])

    def _deposit(self, addresses: list[str]) -> None:
        """To all of these, in one block; until every webhook has arrived."""
        self._deposits += len(addresses)
        self._chain("pause")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda to: self._running.faucet(to, usdt="1"), addresses))
        self._chain("mine")
        self._arrived("deposit.detected", self._deposits)
        self._chain("resume")
        self._arrived("deposit.confirmed", self._deposits)
        self._watch.until_quiet()

    def _chain(self, control: str) -> None:
        httpx2.post(f"{self._running.devnet}/devnet/{control}", json={}, timeout=HANG_S).raise_for_status()

    def _arrived(self, kind: str, times: int) -> None:
        def enough() -> bool:
            return sum(f'"{kind}"'.encode() in each.body for each in list(self._endpoint.asked)) >= times

        until(enough, f"{times} webhooks {kind} have arrived")

    def _payout(self) -> None:
        body = {"to_address": address("a payee of the bench").base58, "amount": "1"}
        post(self._company, "/v1/payouts", body)
        self._arrived("payout.confirmed", 1)

    def _sweep(self, operator: httpx2.Client, to: str) -> None:
        self._running.faucet(to, usdt="5000")
        until(
            lambda: [each for each in get(operator, "/v1/sweeps")["data"] if each["state"] == "confirmed"],
            "the deposit is swept",
        )
