"""What holds a signing process back: the mark beside its keys, the archive of checkpoints, and the chain that is not read."""

import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from core.ports.high_water import HighWater
from core.ports.store_watch import Watched
from gateways.embedded.high_water import FileHighWater
from gateways.settings import Settings
from gateways.steps import Step
from gateways.user_error import NotReady
from gateways.wiring.notes import open_archive
from gateways.wiring.opened import refuse_archive_in_data
from gateways.wiring.platform import Platform
from projections.audit.archive_sight import StoreBesideArchive
from signers.caught_up import CaughtUp
from signers.fence import Fence

EVERY_S: Final = 1.0


@dataclass(frozen=True)
class Guards:
    """Both, and the step that looks at them while there is nothing to sign, and says what was seen."""

    fence: Fence
    caught_up: CaughtUp
    step: Step


def open_high_water(settings: Settings) -> HighWater:
    """The mark of this platform: beside the keystore, or in the signers' own table."""
    if settings.mode == "aws":
        from gateways.aws.high_water import DynamoHighWater
        from gateways.aws.session import Aws

        return DynamoHighWater(Aws(settings))
    return FileHighWater(settings.keystore_path.resolve().parent)


def open_fence(platform: Platform, process: str) -> Fence:
    """The fence of a process that signs. It names a store that has no name yet. Raises UserError."""
    refuse_archive_in_data(platform.settings)
    return Fence(
        platform.ledger,
        platform.store,
        open_high_water(platform.settings),
        StoreBesideArchive(platform.transaction, open_archive(platform.settings), platform.clock),
        f"system:{process}",
        lambda: str(uuid4()),
        alarm=platform.alarm,
    )


def said(step: Step, fence: Fence) -> Step:
    """The step, after which a store that is refused is what the process waits for: `counterfoil health` says so."""

    def and_said() -> bool:
        step()
        if fence.refusal:
            raise NotReady(fence.refusal)
        return False

    return and_said


def paced(step: Step) -> Step:
    """A step that is called at every round, done once a second: nothing waits for it, and each look asks others."""
    next_s = 0.0

    def now_and_then() -> bool:
        nonlocal next_s
        if time.monotonic() < next_s:
            return False
        step()
        next_s = time.monotonic() + EVERY_S
        return False

    return now_and_then


def open_guards(platform: Platform, process: str) -> Guards:
    """Of a process that signs for the chain, which it looks at with a node of its own."""
    fence = open_fence(platform, process)
    caught_up = CaughtUp(platform.cursors, platform.outstanding, alarm=platform.alarm)
    shown: list[Watched] = []

    def step() -> bool:
        fence.holds()
        if caught_up.waits_for:
            caught_up.look(platform.node.solid())
        watched = Watched(process, fence.mark.position if fence.mark is not None else 0, caught_up.waits_for)
        if shown != [watched]:
            platform.store_watch.put(watched)
            shown[:] = [watched]
        return False

    return Guards(fence, caught_up, paced(said(step, fence)))
