"""DynamoDB tables: items as Python values, expressions written out, and a condition that fails as data, not as an error.

Names in expressions carry a #, values a :, as DynamoDB has it: every name may be reserved there. Times are text of one
width, so that they sort; `ttl` alone is in seconds, as the service wants it.
"""

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from core.ports.unavailable import Unavailable
from gateways.aws.error_codes import meaning_of, remedy
from gateways.aws.names import Table
from gateways.aws.outages import code_of, reaching
from gateways.aws.session import Aws

Item = dict[str, Any]
Key = Mapping[str, str]

READ_MAX: Final = 100
"""Items of one BatchGetItem."""
WRITE_MAX: Final = 25
"""Items of one BatchWriteItem."""
TRANSACTION_MAX: Final = 100
"""Actions of one TransactWriteItems."""
ROUNDS_MAX: Final = 8
"""How often what a batch left over is asked for again."""
_NAME: Final = re.compile(r"#(\w+)")
_CONDITION: Final = "ConditionalCheckFailed"
_CONFLICT: Final = "TransactionConflict"
_CANCELLED: Final = "TransactionCanceledException"


class ConditionFailed(Exception):
    """Nothing was written: the condition does not hold. `item` is what is there, where that was asked."""

    def __init__(self, item: Item | None = None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


class Cancelled(Exception):
    """A transaction was not written: the conditions of the actions with these places do not hold, or others were at it."""

    def __init__(self, places: frozenset[int]) -> None:
        super().__init__(f"conditions {sorted(places)} do not hold")
        self.places = places


class Items:
    """One table."""

    def __init__(self, aws: Aws, table: Table) -> None:
        self._dynamodb = aws.client("dynamodb")
        self.name: Final = aws.prefix + table.name
        self._hash_key = table.hash_key
        self._range_key = table.range_key

    def key(self, hash_key: str, range_key: str = "") -> Key:
        return {self._hash_key: hash_key, **({self._range_key: range_key} if self._range_key else {})}

    def get(self, key: Key) -> Item | None:
        """As every write before this left it."""
        with reaching(self.name):
            answer = self._dynamodb.get_item(TableName=self.name, Key=item_of(key), ConsistentRead=True)
        return values_of(answer["Item"]) if "Item" in answer else None

    def get_all(self, keys: Sequence[Key]) -> list[Item]:
        """Those that there are, in no order, as every write before this left them."""
        found: list[Item] = []
        for start in range(0, len(keys), READ_MAX):
            asked = {
                self.name: {"Keys": [item_of(key) for key in keys[start : start + READ_MAX]], "ConsistentRead": True}
            }
            for _ in rounds(self.name):
                with reaching(self.name):
                    answer = self._dynamodb.batch_get_item(RequestItems=asked)
                found += [values_of(item) for item in answer["Responses"].get(self.name, [])]
                asked = answer.get("UnprocessedKeys") or {}
                if not asked:
                    break
        return found

    def put(self, item: Item, condition: str, **values: Any) -> None:
        """Raises ConditionFailed with the item that is there."""
        self._conditional(self._dynamodb.put_item, self._put(item, condition, values))

    def put_all(self, items: Sequence[Item]) -> None:
        """Without a condition; any may be written before Unavailable is raised."""
        for start in range(0, len(items), WRITE_MAX):
            asked = {self.name: [{"PutRequest": {"Item": item_of(it)}} for it in items[start : start + WRITE_MAX]]}
            for _ in rounds(self.name):
                with reaching(self.name):
                    answer = self._dynamodb.batch_write_item(RequestItems=asked)
                asked = answer.get("UnprocessedItems") or {}
                if not asked:
                    break

    def update(self, key: Key, change: str, condition: str, **values: Any) -> Item:
        """-> the item as it is then. Raises ConditionFailed with the item that is there."""
        given = self._update(key, change, condition, values)
        answer = self._conditional(self._dynamodb.update_item, {**given, "ReturnValues": "ALL_NEW"})
        return values_of(answer["Attributes"])

    def delete(self, key: Key, condition: str, **values: Any) -> None:
        """Raises ConditionFailed."""
        self._conditional(self._dynamodb.delete_item, self._delete(key, condition, values))

    def query(
        self, condition: str, *, index: str | None = None, newest_first: bool = False, **values: Any
    ) -> Iterator[Item]:
        """Every item, page by page as they are taken. Without an index it reads what every write before left."""
        pages = self.pages(condition, index=index, newest_first=newest_first, values=values)
        return (item for page, _ in pages for item in page)

    def pages(
        self,
        condition: str,
        *,
        values: Mapping[str, Any],
        index: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        after: Item | None = None,
    ) -> Iterator[tuple[list[Item], Item | None]]:
        """(items, where the next page begins, if there is one)."""
        asked = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ScanIndexForward": not newest_first,
            **expressions(values, condition),
            **({"IndexName": index} if index else {"ConsistentRead": True}),
            **({"Limit": limit} if limit else {}),
        }
        start = item_of(after) if after else None
        while True:
            with reaching(self.name):
                answer = self._dynamodb.query(**asked, **({"ExclusiveStartKey": start} if start else {}))
            start = answer.get("LastEvaluatedKey")
            yield [values_of(item) for item in answer["Items"]], values_of(start) if start else None
            if not start:
                return

    # Parts of a transaction

    def putting(self, item: Item, condition: str, **values: Any) -> Item:
        return {"Put": self._put(item, condition, values)}

    def updating(self, key: Key, change: str, condition: str, **values: Any) -> Item:
        return {"Update": self._update(key, change, condition, values)}

    def deleting(self, key: Key, condition: str, **values: Any) -> Item:
        return {"Delete": self._delete(key, condition, values)}

    def checking(self, key: Key, condition: str, **values: Any) -> Item:
        return {"ConditionCheck": self._delete(key, condition, values)}

    def transact(self, actions: Sequence[Item]) -> None:
        """All or none. Raises Cancelled, or Unavailable when it was in the way of another."""
        try:
            with reaching(self.name, _CANCELLED):
                self._dynamodb.transact_write_items(TransactItems=list(actions))
        except ClientError as error:
            if code_of(error) != _CANCELLED:
                raise
            raise self._cancelled(error, error.response.get("CancellationReasons", [])) from error

    def _cancelled(self, error: Exception, reasons: Sequence[Mapping[str, Any]]) -> Exception:
        """What cancelled a transaction, reason by reason: what no repetition mends goes before what one may."""
        codes = [str(reason.get("Code") or "None") for reason in reasons]
        meanings = {code: meaning_of(code) for code in codes if code not in ("None", _CONDITION, _CONFLICT)}
        if "ours" in meanings.values():
            return error
        if not meanings and set(codes) & {_CONDITION, _CONFLICT}:
            return Cancelled(frozenset(n for n, code in enumerate(codes) if code == _CONDITION))
        worst = sorted(meanings, key=lambda code: meanings[code] != "operator")[:1] or ["for no reason that it names"]
        told = [reason["Message"] for reason in reasons if reason.get("Code") == worst[0] and reason.get("Message")]
        return Unavailable(f"{self.name} cancelled a transaction: {' '.join(worst + told[:1])}{remedy(worst[0])}")

    def _put(self, item: Item, condition: str, values: Mapping[str, Any]) -> Item:
        return {"TableName": self.name, "Item": item_of(item), **expressions(values, ConditionExpression=condition)}

    def _update(self, key: Key, change: str, condition: str, values: Mapping[str, Any]) -> Item:
        both = expressions(values, UpdateExpression=change, ConditionExpression=condition)
        return {"TableName": self.name, "Key": item_of(key), **both}

    def _delete(self, key: Key, condition: str, values: Mapping[str, Any]) -> Item:
        return {"TableName": self.name, "Key": item_of(key), **expressions(values, ConditionExpression=condition)}

    def _conditional(self, operation: Any, given: Item) -> Any:
        try:
            with reaching(self.name):
                return operation(**given, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            there = error.response.get("Item")
            raise ConditionFailed(values_of(there) if there else None) from error


def expressions(values: Mapping[str, Any], *unnamed: str, **named: str) -> Item:
    """The expressions, and what their names and values stand for."""
    names = {f"#{name}": name for text in (*unnamed, *named.values()) for name in _NAME.findall(text)}
    given = {f":{name}": _typed(value) for name, value in values.items()}
    return {
        **named,
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": given} if given else {}),
    }


def rounds(name: str) -> Iterator[int]:
    """Turns for what a batch left over, with waits between them. Raises Unavailable when all are used up."""
    for number in range(ROUNDS_MAX):
        if number:
            time.sleep(random.uniform(0, 0.05 * 2**number))  # noqa: S311  jitter, not a secret
        yield number
    raise Unavailable(f"{name} takes no more for now")


def item_of(values: Mapping[str, Any]) -> Item:
    """None is what is not there."""
    return {name: _typed(value) for name, value in values.items() if value is not None}


def values_of(item: Item) -> Item:
    return {name: _plain(value) for name, value in item.items()}


def stamp(at: datetime) -> str:
    """2026-11-26T05:00:00.000000Z: text that sorts as time does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def optional_time(text: str | None) -> datetime | None:
    return None if text is None else time_of(text)


def optional_stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def seconds(at: datetime) -> int:
    """For `ttl`: whole seconds, rounded up."""
    return -int(-at.timestamp() // 1)


def _typed(value: Any) -> Item:
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case list() | tuple():
            return {"L": [_typed(each) for each in value]}
    raise TypeError(f"no attribute is made of {type(value).__name__}")


def _plain(value: Item) -> Any:
    [(kind, plain)] = value.items()
    match kind:
        case "N":
            return int(plain)
        case "B":
            return bytes(plain)
        case "L":
            return [_plain(each) for each in plain]
        case _:
            return plain
