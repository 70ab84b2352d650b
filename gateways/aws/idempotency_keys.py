"""Idempotency keys in DynamoDB: one conditional write decides who is the first."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from core.ports.clients import IDEMPOTENCY_RUNNING_MAX, IDEMPOTENCY_TTL, IdempotencyRecord
from gateways.aws.dynamodb import ConditionFailed, Items, Key, seconds, stamp
from gateways.aws.names import IDEMPOTENCY_KEYS
from gateways.aws.session import Aws

_FREE = "attribute_not_exists(#key) OR #ttl < :now OR (#status = :running AND #request_hash = :hash AND #created_at < :dead)"


class DynamoIdempotencyKeys:
    """The port `IdempotencyKeys`. What is past its ttl counts as gone: the service takes its time with removing it."""

    def __init__(self, aws: Aws) -> None:
        self._items = Items(aws, IDEMPOTENCY_KEYS)

    def begin(
        self, account_id: str, scope: str, key: str, field_hashes: Mapping[str, str], now: datetime
    ) -> IdempotencyRecord | None:
        wanted = msgspec.json.encode(dict(field_hashes), order="sorted").decode()
        item = {
            **self._key(account_id, scope, key),
            "account_id": account_id,
            "scope": scope,
            "request_hash": wanted,
            "status": "running",
            "created_at": stamp(now),
            "ttl": seconds(now + IDEMPOTENCY_TTL),
        }
        dead = stamp(now - IDEMPOTENCY_RUNNING_MAX)
        try:
            self._items.put(item, _FREE, now=int(now.timestamp()), running="running", hash=wanted, dead=dead)
        except ConditionFailed as failed:
            known = failed.item or {}
            hashes = msgspec.json.decode(known["request_hash"], type=dict[str, str])
            return IdempotencyRecord(known["status"], hashes, known.get("response"))
        return None

    def complete(self, account_id: str, scope: str, key: str, response: bytes) -> None:
        key_of, change = self._key(account_id, scope, key), "SET #status = :done, #response = :response"
        # The note that it began may be gone; what it created has a derived id, and is found again.
        with suppress(ConditionFailed):
            self._items.update(key_of, change, "attribute_exists(#key)", done="done", response=response)

    def abandon(self, account_id: str, scope: str, key: str) -> None:
        with suppress(ConditionFailed):  # it was answered, or is gone
            self._items.delete(self._key(account_id, scope, key), "#status = :running", running="running")

    def _key(self, account_id: str, scope: str, key: str) -> Key:
        """Neither account nor scope has a # in it, so no two are one."""
        return self._items.key(f"{account_id}#{scope}#{key}")
