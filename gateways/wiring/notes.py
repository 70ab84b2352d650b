"""Which key signs notes and which archive keeps checkpoints, by the mode."""

from typing import Final, Literal

from core.proofs.checkpoints import CheckpointArchive
from core.proofs.notes import NoteSigner, is_name
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.embedded.note_keys import SeedSigner, load_or_create
from gateways.settings import Settings
from gateways.user_error import UserError

Purpose = Literal["checkpoints", "statements"]
_FIELDS: Final[dict[Purpose, str]] = {"checkpoints": "checkpoint_seed", "statements": "statement_seed"}
"""On AWS, the field of the secret of the purpose's name."""


def open_signer(settings: Settings, purpose: Purpose) -> NoteSigner:
    """The key of a purpose; on one machine it is made at its first use. Raises UnsafeFile, DamagedFile, UserError."""
    name = settings.checkpoint_origin or f"counterfoil/{settings.network}"
    if purpose != "checkpoints":
        name = f"{name}/{purpose}"
    if not is_name(name):
        raise UserError(f"COUNTERFOIL_CHECKPOINT_ORIGIN {name!r} names no log: it has no spaces and no plus signs")
    if settings.mode == "aws":
        from gateways.aws.secrets import SecretStore, key_in
        from gateways.aws.session import Aws

        fields = SecretStore(Aws(settings)).fields(purpose)
        return SeedSigner(name, key_in(purpose, fields, _FIELDS[purpose]))
    return load_or_create(settings.data / f"{purpose}.key", name)


def open_archive(settings: Settings) -> CheckpointArchive:
    """The archive of this platform. Raises UserError."""
    if settings.mode == "aws":
        from gateways.aws.checkpoint_archive import S3Archive
        from gateways.aws.session import Aws

        if not settings.checkpoint_bucket:
            raise UserError("where checkpoints are kept is not said: set COUNTERFOIL_CHECKPOINT_BUCKET")
        return S3Archive(Aws(settings), settings.checkpoint_bucket)
    return FolderArchive(settings.checkpoint_archive_path)
