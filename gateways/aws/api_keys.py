"""API keys in DynamoDB, by their keyed hash."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from core.ports.clients import ApiKey
from gateways.aws.dynamodb import (
    ConditionFailed,
    Item,
    Items,
    optional_stamp,
    optional_time,
    seconds,
    stamp,
    time_of,
)
from gateways.aws.names import API_KEYS
from gateways.aws.session import Aws


class DynamoApiKeys:
    """The port `ApiKeys`. An account's keys are found through the index, which may be behind by a moment, and then read."""

    def __init__(self, aws: Aws) -> None:
        self._items = Items(aws, API_KEYS)

    def put(self, key_hash: str, key: ApiKey) -> None:
        item = {
            "api_key_hash": key_hash,
            "id": key.id,
            "account_id": key.account_id,
            "name": key.name,
            "permissions": key.permissions,
            "status": key.status,
            "created_at": stamp(key.created_at),
            "expires_at": optional_stamp(key.expires_at),
            "last_used_at": optional_stamp(key.last_used_at),
            "ttl": None if key.expires_at is None else seconds(key.expires_at),
        }
        with suppress(ConditionFailed):  # the first one stands
            self._items.put(item, "attribute_not_exists(#api_key_hash)")

    def find(self, key_hash: str) -> ApiKey | None:
        item = self._items.get(self._items.key(key_hash))
        return _api_key(item) if item else None

    def of_account(self, account_id: str) -> list[ApiKey]:
        keys = [_api_key(item) for item in self._of_account(account_id)]
        return sorted(keys, key=lambda key: (key.created_at, key.id), reverse=True)

    def revoke(self, account_id: str, key_id: str) -> bool:
        for item in self._of_account(account_id):
            if item["id"] == key_id:
                key = self._items.key(item["api_key_hash"])
                self._items.update(key, "SET #status = :revoked", "#id = :id", revoked="revoked", id=key_id)
                return True
        return False

    def used(self, key_hash: str, at: datetime) -> None:
        key, before = self._items.key(key_hash), "(attribute_not_exists(#last_used_at) OR #last_used_at < :at)"
        condition = f"attribute_exists(#api_key_hash) AND {before}"
        with suppress(ConditionFailed):  # it was used later than that, or is gone
            self._items.update(key, "SET #last_used_at = :at", condition, at=stamp(at))

    def _of_account(self, account_id: str) -> Sequence[Item]:
        known = self._items.query("#account_id = :account_id", index="account_id", account_id=account_id)
        return self._items.get_all([self._items.key(item["api_key_hash"]) for item in known])


def _api_key(item: Item) -> ApiKey:
    return ApiKey(
        id=item["id"],
        account_id=item["account_id"],
        name=item["name"],
        permissions=tuple(item["permissions"]),
        status=item["status"],
        created_at=time_of(item["created_at"]),
        expires_at=optional_time(item.get("expires_at")),
        last_used_at=optional_time(item.get("last_used_at")),
    )
