"""The high-water mark on AWS: one item of the signers' own table, written on the condition that it is as it was read."""

from contextlib import suppress
from typing import Final

from core.ports.high_water import Mark, MarkMoved
from core.ports.unavailable import Unavailable
from gateways.aws.dynamodb import ConditionFailed, Item, Items
from gateways.aws.names import SIGNER_STATE
from gateways.aws.session import Aws

NAME: Final = "high-water"
TRIES_MAX: Final = 20
_KEPT: Final = "#index = :kept"
_FIRST: Final = "attribute_not_exists(#name)"
_SAME: Final = "#store_id = :store_id AND #position = :position AND #seal = :seal"


class DynamoHighWater:
    """The port `HighWater`. An item that lies in AWS is copied with no folder."""

    def __init__(self, aws: Aws) -> None:
        self._items = Items(aws, SIGNER_STATE)

    def load(self) -> Mark | None:
        return _mark(self._items.get(self._items.key(NAME)))

    def move(self, before: Mark | None, after: Mark) -> None:
        item = {
            **self._items.key(NAME),
            "store_id": after.store_id,
            "position": after.position,
            "seal": after.seal,
        }
        try:
            if before is None:
                self._items.put(item, _FIRST)
            else:
                known = {"store_id": before.store_id, "position": before.position, "seal": before.seal}
                self._items.put(item, _SAME, **known)
        except ConditionFailed as failed:
            there = _mark(failed.item)
            if there != after:  # else it is ours: the answer to the first try was lost
                raise MarkMoved(there) from None


class DynamoGivenIndexes:
    """The port `GivenIndexes`: one item a prefix."""

    def __init__(self, aws: Aws) -> None:
        self._items = Items(aws, SIGNER_STATE)

    def load(self, prefix: str) -> int:
        item = self._items.get(self._items.key(_name(prefix)))
        return 0 if item is None else int(item["index"])

    def reserve(self, prefix: str, least: int, count: int) -> int:
        for _ in range(TRIES_MAX):
            key, kept = self._items.key(_name(prefix)), self.load(prefix)
            first = max(kept, least)
            with suppress(ConditionFailed):  # another was first: look again
                if kept:
                    self._items.put({**key, "index": first + count}, _KEPT, kept=kept)
                else:
                    self._items.put({**key, "index": first + count}, _FIRST)
                return first
        raise Unavailable("the indexes of deposit addresses are given to others all the time: tried again later")


def _name(prefix: str) -> str:
    return f"addresses {prefix}"


def _mark(item: Item | None) -> Mark | None:
    return None if item is None else Mark(item["store_id"], item["position"], item["seal"])
