"""The keys of the platform itself, wherever they come from."""

from collections.abc import Sequence
from dataclasses import dataclass


class SecretWithheld(Exception):
    """A process asked for a key that is not its own; its declaration says which are."""


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

    def webhook_masters(self) -> Sequence[bytes]:
        """The master, then those before it whose secrets still sign."""
        return (self.webhook_master,)

    def deposit_fact_keys(self) -> Sequence[bytes]:
        """The key, then those before it whose proofs are still believed."""
        return (self.deposit_fact_key,)

    def __repr__(self) -> str:
        return "Secrets(hidden)"
