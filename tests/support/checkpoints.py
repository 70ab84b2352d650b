"""A checkpoint process of tests: its key, its clock, its archive, on one database, as its own role."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.proofs.checkpoints import ArchivedCheckpoint, Checkpoint
from core.proofs.notes import NoteKey, opened
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections
from gateways.postgres.roles import CHECKPOINTER
from projections.audit.checkpoints import Checkpoints
from tests.support.postgres import Database


class FixedSigner:
    """The port `NoteSigner` with a key of these tests."""

    def __init__(self, seed: bytes = bytes(range(32))) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = NoteKey("counterfoil/test", self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class HandClock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Desk:
    """Everything a checkpoint process has."""

    def __init__(self, database: Database, folder: Path, **options: Any) -> None:
        self.clock = HandClock()
        self.signer = FixedSigner()
        self.archive = FolderArchive(folder)
        self.login = Connections(database.role_urls[CHECKPOINTER])
        self.checkpoints = self.process(**options)

    def process(self, **options: Any) -> Checkpoints:
        return Checkpoints(
            self.login.transaction,
            self.signer,
            self.archive,
            PostgresBookmarks(self.login),
            self.clock,
            lambda: bytes(range(32)),
            **{"interval_s": 60, **options},
        )

    def run(self) -> None:
        """Until nothing is left to do now."""
        while self.checkpoints.step():
            pass

    def sign_now(self) -> None:
        """A checkpoint of everything there is, whatever the interval."""
        self.clock.pass_by(3600)
        self.run()

    def archived(self) -> list[Checkpoint]:
        return [
            Checkpoint.parse(opened(ArchivedCheckpoint.decode(content).checkpoint, self.signer.key))
            for _, content in self.archive.contents()
        ]
