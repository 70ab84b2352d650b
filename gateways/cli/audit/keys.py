"""`counterfoil audit rotate-key`: another key for checkpoints, endorsed by the one before."""

from core.proofs.notes import endorsement
from gateways.cli.acts import note_command
from gateways.cli.console import Output
from gateways.cli.installation import opened_database
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.embedded.note_keys import load, next_to, put_next
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.platform import utc_now


def rotate_key(settings: Settings, out: Output) -> None:
    """The old key endorses the new one, by a note that goes into the archive first. Raises UserError, NotReady."""
    if settings.mode == "aws":
        raise UserError(
            "on AWS put another value into the secret checkpoints, restart the process checkpoints, and give auditors both keys"
        )
    path = settings.data / "checkpoints.key"
    if not path.exists():
        raise NotReady(f"there is no {path} yet: the process checkpoints makes it when it starts")
    with opened_database(settings) as database:
        old, new = load(path), next_to(path)
        note = endorsement(old, new.key, utc_now())
        FolderArchive(settings.checkpoint_archive_path).endorse(new.key.key_id.hex(), note)
        put_next(path)
        note_command(settings, "checkpoint-key.rotated", database, key=str(new.key), before=str(old.key))
    out.show(
        {"key": str(new.key), "before": str(old.key), "endorsement": note},
        f"checkpoints are signed by {new.key} as soon as `counterfoil up` was started again",
        "auditors who have the archive need nothing; others take this note, or the new key, from you:",
        note.rstrip(),
    )
