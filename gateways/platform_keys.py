"""The keys of the platform itself, wherever they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple


class SecretWithheld(Exception):
    """A process asked for a key that is not its own; its declaration says which are."""


class Before(NamedTuple):
    """A key that was replaced, and until when it still counts; None: until it is replaced once more."""

    key: bytes
    until: datetime | None

    def __repr__(self) -> str:
        return "Before(hidden)"


@dataclass(frozen=True)
class Secrets:
    """Keys of the platform itself, 32 bytes each; `repr` shows none of them (I13)."""

    api_key_pepper: bytes
    """Keys the hash under which API keys are kept."""
    position_key: bytes
    """Makes a client's position tokens opaque."""
    webhook_master: bytes
    """Every account's webhook secrets follow from it and a generation number."""
    deposit_fact_key: bytes
    """The observer's MAC over deposit facts (I14)."""
    before: Mapping[str, Before] = field(default_factory=dict)
    """What each was before it was replaced, by its name."""

    def webhook_masters(self) -> Sequence[bytes]:
        """The master, then those before it whose secrets still sign."""
        return self._with_before("webhook_master", self.webhook_master)

    def deposit_fact_keys(self) -> Sequence[bytes]:
        """The key, then those before it whose proofs are still believed."""
        return self._with_before("deposit_fact_key", self.deposit_fact_key)

    def api_key_peppers(self) -> Sequence[bytes]:
        """The pepper under which keys are kept now, then the one before it."""
        return self._with_before("api_key_pepper", self.api_key_pepper)

    def _with_before(self, name: str, key: bytes) -> Sequence[bytes]:
        before = self.before.get(name)
        if before is None or (before.until is not None and datetime.now(UTC) >= before.until):
            return (key,)
        return (key, before.key)

    def __repr__(self) -> str:
        return "Secrets(hidden)"
