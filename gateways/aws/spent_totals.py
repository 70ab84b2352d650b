"""What was signed of late on AWS: an item a wallet in the signers' own table, written on the condition of its version."""

from typing import Final

import msgspec

from core.ports.spent_totals import Spent, SpentMoved
from gateways.aws.dynamodb import ConditionFailed, Item, Items
from gateways.aws.names import SIGNER_STATE
from gateways.aws.session import Aws

_FIRST: Final = "attribute_not_exists(#name)"
_NEXT: Final = "#version = :before"


class DynamoSpentTotals:
    """The port `SpentTotals`."""

    def __init__(self, aws: Aws) -> None:
        self._items = Items(aws, SIGNER_STATE)

    def load(self, wallet: str) -> Spent:
        return _spent(self._items.get(self._items.key(_name(wallet))))

    def save(self, wallet: str, spent: Spent) -> None:
        item = {
            **self._items.key(_name(wallet)),
            "version": spent.version,
            "spent": msgspec.json.encode(spent).decode(),
        }
        try:
            if spent.version == 1:
                self._items.put(item, _FIRST)
            else:
                self._items.put(item, _NEXT, before=spent.version - 1)
        except ConditionFailed as failed:
            if _spent(failed.item) != spent:  # else it is ours: the answer to the first try was lost
                raise SpentMoved from None


def _name(wallet: str) -> str:
    return f"spent-{wallet}"


def _spent(item: Item | None) -> Spent:
    return Spent() if item is None else msgspec.json.decode(item["spent"], type=Spent)
