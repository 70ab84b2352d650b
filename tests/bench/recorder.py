"""From a queue full of deposit reports to committed events: the recorder on the queue of one machine, and SQS' calls.

The reports stand in the queue and among the outstanding ones, as the observer leaves them. Half of the addresses are paid once.
"""

import hashlib
import os
import time
from collections import Counter
from typing import Final, NamedTuple

from core.ledger.journal import derived_id
from core.ledger.ledger import Ledger
from core.streams.addresses import RequestPayin
from core.streams.deposits import TransferFact
from core.tron.address import Address
from gateways.embedded.queue import PostgresQueue
from gateways.postgres.connections import Connections
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.outstanding import PostgresOutstanding
from gateways.postgres.roles import API, OBSERVER, RECORDER
from gateways.postgres.solid_log import PostgresAttemptIndex
from gateways.wiring.platform import utc_now
from scanners import facts
from scanners.facts import Report
from scanners.recorder import Recorder
from tests.bench.engine import ACCOUNTS

ADDRESSES: Final = 2_000
KEY: Final = b"the bench's key of thirty-two b."
BLOCK_DEPOSITS: Final = 200


class Measured(NamedTuple):
    """Deposits a second, and the seconds by what they went to."""

    rate: float
    deposits: int
    alarms: int


def address(number: int) -> Address:
    return Address.from_evm(hashlib.sha256(f"bench address {number}".encode()).digest()[:20])


def fact(number: int) -> TransferFact:
    return TransferFact(
        txid=hashlib.sha256(f"bench {number}".encode()).hexdigest(),
        log_index=0,
        from_address=address(-1).base58,
        to_address=address(number % ADDRESSES).base58,
        amount_minor=1_000_000 + number,
        currency="USDT",
        wallet="payin",
        block_number=1_000 + number // BLOCK_DEPOSITS,
        block_id=hashlib.sha256(f"bench block {number // BLOCK_DEPOSITS}".encode()).hexdigest(),
        block_timestamp_ms=1_790_000_000_000 + number // BLOCK_DEPOSITS * 3_000,
    )


def prepare(database: Database) -> None:
    """Clients with addresses."""
    store = PostgresEventStore(datastore(database.role_urls[API]))
    ledger = Ledger(store, utc_now)
    for start in range(0, ADDRESSES, 500):
        ledger.execute([_payin(number) for number in range(start, min(ADDRESSES, start + 500))])
    store.close()


def _payin(number: int) -> RequestPayin:
    made, account = address(number), ACCOUNTS[number % len(ACCOUNTS)]
    name = str(derived_id("payin", "bench", str(number)))
    return RequestPayin(name, account, made.base58, made.hex(), "bench", "User_Liability", None, "api-key:bench")


def deposits_per_second(database: Database, deposits: int) -> Measured:
    """As many reports as were told, recorded by one recorder until the queue is empty."""
    observer = Connections(database.role_urls[OBSERVER])
    queue = PostgresQueue(observer, "deposit-events")
    outstanding = PostgresOutstanding(observer)
    told = [facts.message(Report("confirmed", fact(number)), KEY) for number in range(deposits)]
    for start in range(0, deposits, BLOCK_DEPOSITS):
        outstanding.keep(told[start : start + BLOCK_DEPOSITS], 10**9)
        queue.send(told[start : start + BLOCK_DEPOSITS])
    login = Connections(database.role_urls[RECORDER])
    store = PostgresEventStore(datastore(database.role_urls[RECORDER]))
    alarms: list[str] = []
    recorder = Recorder(
        PostgresQueue(login, "deposit-events"),
        Ledger(store, utc_now),
        store,
        PostgresAttemptIndex(login),
        PostgresOutstanding(login),
        key=KEY,
        alarm=lambda name, _: alarms.append(name),
    )
    head = store.head()
    started = time.perf_counter()
    while recorder.step():
        pass
    took = time.perf_counter() - started
    recorded = store.head() - head
    assert recorded == deposits, f"{recorded} events of {deposits} reports, {Counter(alarms)}"
    assert queue.depth() == 0
    for each in (observer, login, store):
        each.close()
    return Measured(deposits / took, deposits, len(alarms))


def count() -> int:
    return int(os.environ.get("BENCH_DEPOSITS", "20000"))
