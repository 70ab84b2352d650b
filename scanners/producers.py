"""Who may produce blocks, whose key signs for each of them, and which block so many of them have built on that it is solid.

Votes change the set at every maintenance (6 h), so it is fetched anew at each and whenever a producer is not known. A
block that is caught up with may be older than the set: its producer was voted out since, and has produced later blocks.
"""

from collections.abc import Sequence
from typing import Final

from core.ports.chain import Network
from core.tron.chain import Block, Producer
from core.tron.secp256k1 import InvalidSignature, recover, sha256
from scanners.blocks import UnknownProducer, WrongSignature
from scanners.branch import Seen

MAINTENANCE_MS: Final = 21_600_000
"""Mainnet's getMaintenanceTimeInterval; where it is another one, an unknown producer brings the set up to date."""


class Producers:
    """The set and the signing keys as far as they are known."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stated: dict[bytes, Producer] = {}
        self._keys: dict[bytes, bytes] = {}
        self._period = -1

    @property
    def seats(self) -> int:
        """How many produce now."""
        return sum(producer.active for producer in self._stated.values())

    def solid(self, linked: Sequence[Seen]) -> int:
        """The height that so many active producers have reached in these blocks as java-tron asks for; 0 for none.

        The blocks follow each other and each was checked. java-tron sorts the newest block of each active producer and
        takes the one at index floor(n x 0.3): of 27, as many as 19 have signed it or a block above it (TRON.md 7).
        """
        if not self._stated:
            self._refresh()
        missing = self.seats - self.seats * 3 // 10
        seats: set[bytes] = set()
        for seen in reversed(linked):
            if seen.witness not in seats and self._may_produce(seen.witness, linked[-1].number):
                seats.add(seen.witness)
                if len(seats) == missing:
                    return seen.number
        return 0

    def check(self, block: Block) -> None:
        """Raises UnknownProducer or WrongSignature unless a producer of that time signed the header (TRON.md 2.3)."""
        period = block.ref.timestamp_ms // MAINTENANCE_MS
        if period > self._period or not self._may_produce(block.witness, block.ref.number):
            self._refresh()
            self._period = max(period, self._period)
        if not self._may_produce(block.witness, block.ref.number):
            raise UnknownProducer(
                f"block {block.ref.number} is by {block.witness.hex()}, which the network does not name as a producer"
            )
        try:
            signer = recover(sha256(block.header_raw), block.witness_signature)
        except InvalidSignature as error:
            raise WrongSignature(f"the signature of block {block.ref.number} is malformed: {error}") from error
        # A producer may have another key sign for it (its witness permission); which one is asked when it must be.
        if signer != self._keys.get(block.witness, block.witness):
            self._keys[block.witness] = self._network.producer_key(block.witness)
            if signer != self._keys[block.witness]:
                raise WrongSignature(f"block {block.ref.number} is signed by {signer.base58}, not by its producer")

    def _may_produce(self, witness: bytes, number: int) -> bool:
        stated = self._stated.get(witness)
        return stated is not None and (stated.active or stated.latest_block >= number)

    def _refresh(self) -> None:
        self._stated = {producer.address: producer for producer in self._network.producers()}
