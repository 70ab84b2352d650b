"""The audit log in DynamoDB. A table can be asked for one account's entries only, so all accounts' entries of a day are
kept together once more, under `all#<day>`, and the days that have any under `all#days`.
"""

import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from core.ports.clients import AUDIT_TTL, AuditEntry
from gateways.aws.dynamodb import Item, Items, seconds, stamp, time_of
from gateways.aws.names import AUDIT_LOGS
from gateways.aws.session import Aws

DAYS: Final = "all#days"
_DAY: Final = len("2026-11-26")


class DynamoAuditLog:
    """The port `AuditLog`. A sort key is the entry's time, its place in the call, and a random end: none meets another."""

    def __init__(self, aws: Aws) -> None:
        self._items = Items(aws, AUDIT_LOGS)

    def add(self, entries: Sequence[AuditEntry]) -> None:
        kept: dict[tuple[str, str], Item] = {}
        for place, entry in enumerate(entries):
            moment = f"{stamp(entry.at)}#{place:06}{secrets.token_hex(8)}"
            day = moment[:_DAY]
            what = {
                "action": entry.action,
                "actor_id": entry.actor_id,
                "actor_type": entry.actor_type,
                "data": msgspec.json.encode(entry.data).decode(),
                "ip_address": entry.ip_address,
                "request_id": entry.request_id,
                "ttl": seconds(entry.at + AUDIT_TTL),
            }
            for group in (entry.account_id, f"all#{day}"):
                kept[group, moment] = {
                    "account_id": group,
                    "timestamp": moment,
                    "of": entry.account_id if group != entry.account_id else None,
                    **what,
                }
            kept[DAYS, day] = {"account_id": DAYS, "timestamp": day, "ttl": seconds(entry.at + 2 * AUDIT_TTL)}
        self._items.put_all(list(kept.values()))

    def page(self, account_id: str | None, after: str | None, limit: int) -> list[tuple[str, AuditEntry]]:
        if after is not None:
            time_of(after.partition("#")[0])  # raises ValueError for what is no cursor
        if account_id is not None and "#" in account_id:
            return []  # no account's id, but how everybody's entries are kept
        found = self._of(account_id, after, limit) if account_id is not None else self._everybodys(after, limit)
        return [(item["timestamp"], _entry(item)) for item in islice(found, limit)]

    def _of(self, group: str, after: str | None, limit: int) -> Iterator[Item]:
        condition, values = "#account_id = :group", {"group": group}
        if after is not None:
            condition, values = f"{condition} AND #timestamp < :after", {**values, "after": after}
        pages = self._items.pages(condition, values=values, newest_first=True, limit=limit)
        return (item for page, _ in pages for item in page)

    def _everybodys(self, after: str | None, limit: int) -> Iterator[Item]:
        for day in self._of(DAYS, None, limit):
            if after is None or day["timestamp"] <= after[:_DAY]:
                yield from self._of(f"all#{day['timestamp']}", after, limit)


def _entry(item: Item) -> AuditEntry:
    return AuditEntry(
        account_id=item["of"] if "of" in item else item["account_id"],
        at=time_of(item["timestamp"].partition("#")[0]),
        action=item["action"],
        actor_id=item["actor_id"],
        actor_type=item["actor_type"],
        data=msgspec.json.decode(item["data"]),
        ip_address=item.get("ip_address"),
        request_id=item.get("request_id"),
    )
