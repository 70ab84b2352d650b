"""Rows and threads for the contracts of tables."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid5

import msgspec

from core.ports.clients import ApiKey, Delivery
from tests.support.history import ALICE
from tests.support.patience import HANG_S

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
HASH, OTHER_HASH = "aa" * 32, "bb" * 32


def identifier(name: str) -> str:
    return str(uuid5(UUID(int=0), name))


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """The same work from several threads that start together -> its results."""
    barrier = threading.Barrier(count)
    results: list[T] = []

    def run(number: int) -> None:
        barrier.wait(HANG_S)
        results.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    return results


def api_key(name: str, account_id: str = ALICE, *, age_h: int = 0) -> ApiKey:
    return ApiKey(
        id=identifier(name),
        account_id=account_id,
        name=name,
        permissions=("payouts:read", "payouts:write"),
        status="active",
        created_at=NOW - timedelta(hours=age_h),
        expires_at=NOW + timedelta(days=1),
    )


def event_id(name: str, sequence: int = 1) -> str:
    """A UUIDv7, so that ids sort as events do."""
    return str(UUID(int=(0x19000000000 + sequence) << 80 | 0x7 << 76 | 0b10 << 62 | int(identifier(name)[:8], 16)))


def delivery(name: str, sequence: int = 1, *, account_id: str = ALICE, subject: str = "payout-1") -> Delivery:
    return Delivery(
        account_id=account_id,
        event_id=event_id(name, sequence),
        event_type="payout.confirmed",
        subject=subject,
        sequence=sequence,
        payload=name.encode(),
        status="pending",
        attempts=0,
        created_at=NOW + timedelta(seconds=sequence),
    )


LATER = NOW + timedelta(minutes=1)


def tried(item: Delivery, status: str, retry_s: int | None = None) -> Delivery:
    retry = None if retry_s is None else LATER + timedelta(seconds=retry_s)
    return msgspec.structs.replace(
        item, status=status, attempts=item.attempts + 1, last_attempt_at=LATER, last_error="500", next_retry_at=retry
    )
