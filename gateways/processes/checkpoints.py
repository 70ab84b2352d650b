"""The process `checkpoints`: signs what the history is at an interval, and keeps it outside the database."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from gateways.aws.names import FOR_CHECKPOINTS
from gateways.postgres.roles import CHECKPOINTER
from gateways.processes.process import DATABASE, Access, Deployment, Process
from gateways.steps import Step
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> Sequence[Step]:
    from core.proofs.checkpoints import ArchiveConflict
    from gateways.wiring.notes import open_archive, open_signer
    from gateways.wiring.opened import refuse_archive_in_data
    from projections.audit.archive_sight import StoreBesideArchive
    from projections.audit.backup_age import BackupAge
    from projections.audit.checkpoints import Checkpoints, publish_key

    refuse_archive_in_data(platform.settings)
    archive = open_archive(platform.settings)
    beside = StoreBesideArchive(platform.transaction, archive, platform.clock)
    signer = open_signer(platform.settings, "checkpoints")
    publish_key(platform.transaction, signer.key, "checkpoints")
    checkpoints = Checkpoints(
        platform.transaction,
        signer,
        archive,
        platform.bookmarks,
        platform.clock,
        draw_blind=lambda: secrets.token_bytes(32),
        interval_s=platform.settings.checkpoint_interval_s,
    )

    def compare() -> bool:
        """No second history is signed: who starts with an old copy is stopped here. Raises ArchiveConflict, Unavailable."""
        sight = beside.look()
        if sight.doubt is not None:
            raise ArchiveConflict(f"nothing more is signed into the archive: {sight.sentence}")
        return False

    age_max = timedelta(hours=platform.settings.backup_age_max_h)
    return [
        compare,
        checkpoints.step,
        BackupAge(platform.transaction, platform.clock, age_max, alarm=platform.alarm).step,
    ]


PROCESS: Final = Process(
    "checkpoints",
    "Signs what the history is at an interval, and keeps it outside the database.",
    CHECKPOINTER,
    needs=(*DATABASE, "CHECKPOINT_INTERVAL_S", "CHECKPOINT_ARCHIVE", "CHECKPOINT_ORIGIN", "BACKUP_AGE_MAX_H"),
    access=Access(secrets=(FOR_CHECKPOINTS,), logins=(CHECKPOINTER,), archives=True),
    deployment=Deployment(),
    steps=steps,
    idle_s=1.0,
    public_idle_s=1.0,
)
