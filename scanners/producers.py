"""Who may produce blocks: the active set as the network states it, and whose key signs for each of them.

Votes change the set at every maintenance (6 h), so it is fetched anew at each and whenever a producer is not known. A
block that is caught up with may be older than the set: its producer was voted out since, and has produced later blocks.
"""

from typing import Final

from core.ports.chain import Network
from core.tron.chain import Block, Producer
from core.tron.secp256k1 import InvalidSignature, recover, sha256
from scanners.blocks import UnknownProducer, WrongSignature

MAINTENANCE_MS: Final = 21_600_000
"""Mainnet's getMaintenanceTimeInterval; where it is another one, an unknown producer brings the set up to date."""


class Producers:
    """The set and the signing keys as far as they are known."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stated: dict[bytes, Producer] = {}
        self._keys: dict[bytes, bytes] = {}
        self._period = -1

    def check(self, block: Block) -> None:
        """Raises UnknownProducer or WrongSignature unless a producer of that time signed the header (TRON.md 2.3)."""
        period = block.ref.timestamp_ms // MAINTENANCE_MS
        if period > self._period or not self._may_produce(block):
            self._refresh()
            self._period = max(period, self._period)
        if not self._may_produce(block):
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

    def _may_produce(self, block: Block) -> bool:
        stated = self._stated.get(block.witness)
        return stated is not None and (stated.active or stated.latest_block >= block.ref.number)

    def _refresh(self) -> None:
        self._stated = {producer.address: producer for producer in self._network.producers()}
