"""The signer's leash on one machine and on AWS, and what a person must have set before real coins are signed away."""

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Final

from core.ports.spent_totals import SpentTotals
from core.proofs.checkpoints import ArchivedCheckpoint, Checkpoint, CheckpointArchive
from gateways.embedded.spent_totals import FileSpentTotals
from gateways.settings import PREFIX, Settings
from gateways.signer_settings import UNLIMITED, approvers_of, limit_minor
from gateways.user_error import UserError
from gateways.wiring.notes import open_archive
from gateways.wiring.platform import Platform
from projections.audit.archive_sight import numbers_of
from projections.audit.history_tree import Transaction
from projections.sealed_history import PostgresSealedHistory

if TYPE_CHECKING:
    from signers.leash.leash import Leash
    from signers.leash.reading import KnownRoot

LIMITS: Final = ("signer_payout_max", "signer_hour_max", "signer_day_max")
APPROVALS: Final = ("signer_approvers", "signer_approvals")


def withheld(needs: Collection[str]) -> Collection[str]:
    """The signers' own settings that a process is not given: limits are for who signs payouts, approvers for who signs."""
    limits = () if "SIGNER_PAYOUT_MAX" in needs else LIMITS
    return (*limits, *(() if "SIGNER_APPROVERS" in needs else APPROVALS))


def must_be_limited(settings: Settings) -> None:
    """Raises UserError on mainnet unless each limit was set by name: nobody is unlimited by forgetting."""
    unset = [PREFIX + name.upper() for name in LIMITS if not getattr(settings, name)]
    if unset and settings.network == "mainnet":
        raise UserError(
            f"set {', '.join(unset)} for the process that signs payouts: the most USDT that may leave the hot wallet without"
            f" an approval, by one payout, within an hour and within a day; {UNLIMITED!r} is a value, too"
        )


def open_leash(platform: Platform) -> "Leash":
    """Raises UserError, Unavailable."""
    from signers.leash.approvers import Approvers
    from signers.leash.leash import Leash
    from signers.leash.limits import SignerLimits

    settings = platform.settings
    must_be_limited(settings)
    limits = SignerLimits(
        payout_max=limit_minor(settings.signer_payout_max),
        hour_max=limit_minor(settings.signer_hour_max),
        day_max=limit_minor(settings.signer_day_max),
        approvals=settings.signer_approvals,
    )
    return Leash(
        PostgresSealedHistory(platform.transaction),
        open_totals(settings),
        limits,
        Approvers(approvers_of(settings.signer_approvers)),
        platform.clock,
        alarm=platform.alarm,
        newest=partial(newest_root, platform.transaction, open_archive(settings)),
    )


def newest_root(transaction: Transaction, archive: CheckpointArchive) -> "KnownRoot | None":
    """What the newest checkpoint says that is in the archive. Raises Unavailable."""
    from signers.leash.reading import KnownRoot

    for number in numbers_of(transaction):
        kept = archive.get(number)
        if kept is not None:
            note = ArchivedCheckpoint.decode(kept).checkpoint
            checkpoint = Checkpoint.parse(note.partition("\n\n")[0] + "\n")
            return KnownRoot(checkpoint.size, checkpoint.root)
    return None


def open_totals(settings: Settings) -> SpentTotals:
    """Beside the keys: a folder beside the keystore, or the signers' own table."""
    if settings.mode == "aws":
        from gateways.aws.session import Aws
        from gateways.aws.spent_totals import DynamoSpentTotals

        return DynamoSpentTotals(Aws(settings))
    return FileSpentTotals(settings.keystore_path.parent)
