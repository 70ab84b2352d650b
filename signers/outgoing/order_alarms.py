"""The alarms of one worker's orders: each rings once, and is over when its order is, or waits no more."""

from collections.abc import Iterable
from typing import Final

from core.ports.alarm import Alarm, Condition, LongRefusals
from signers.outgoing.funds import CoinsShort
from signers.outgoing.open_orders import OpenOrder

NAMES: Final = (
    "payout_disputed",
    "receipt_hidden",
    "proof_lacks",
    "payout_not_booked",
    "instruction_goes_astray",
    "hot_wallet_short",
    "above_signer_limit",
    "gas_wallet_short",
)
KNOWN_AFTER_MS: Final = 600_000
"""Chain time after a start until it is known which of them still hold."""


class OrderAlarms:
    """`name` is the worker's: what it looks at ends no other's alarms."""

    def __init__(self, alarm: Alarm, name: str) -> None:
        self._name = name
        self._waits = {each: Condition(alarm, each, within=f"{name}: ") for each in NAMES}
        self._refusals = LongRefusals(alarm)
        self._since_ms: int | None = None
        """The chain time of the first look."""

    def ring(self, order: OpenOrder, name: str, sentence: str) -> None:
        """Once for each attempt and alarm: what holds an order up may do so for hours."""
        if name not in order.rung:
            order.rung[name] = sentence
            self._waits[name].begin(self._about(order), sentence)

    def refused(self, order: OpenOrder, refusal: object, now_ms: int) -> None:
        """It was tried in vain; what lasts for ten minutes rings. Coins that lack ring otherwise."""
        if not isinstance(refusal, CoinsShort):
            self._refusals.refused(self._about(order), f"{order.name} is tried again and again: {refusal}", now_ms)

    def taken(self, order: OpenOrder) -> None:
        """It is refused no more."""
        self._refusals.over(self._about(order))

    def look(self, orders: Iterable[OpenOrder], now_ms: int) -> None:
        """What none of the open orders waits for any more is over."""
        self._since_ms = now_ms if self._since_ms is None else self._since_ms
        if now_ms - self._since_ms < KNOWN_AFTER_MS:
            return
        standing: dict[str, dict[str, str]] = {name: {} for name in self._waits}
        known = set()
        for order in orders:
            known.add(self._about(order))
            for name, sentence in order.rung.items():
                standing[name][self._about(order)] = sentence
        for name, condition in self._waits.items():
            condition.stand(standing[name])
        self._refusals.keep(known)

    def _about(self, order: OpenOrder) -> str:
        return f"{self._name}: {order.name}"
