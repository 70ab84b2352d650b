"""The process `project`: keeps every view up with the history."""

from collections.abc import Collection, Sequence
from typing import Final

from core.ports.queues import Queue
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import PROJECTOR, READER
from gateways.processes.process import DATABASE, Access, Deployment, Process
from gateways.queues import FORMER_QUEUES, PROJECT_VIEWS
from gateways.steps import Step
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> Sequence[Step]:
    from projections.engine.projector import Projector
    from projections.engine.tracking import ViewTracking
    from projections.views import VIEWS

    # The projector's own login: it reads the history and writes views, and can append nothing.
    on_applied = platform.tracing.projected if platform.tracing else lambda *_: None

    def projector(names: Collection[str], queue: Queue) -> Step:
        login = datastore(platform.logins[PROJECTOR])
        views = [VIEWS[name] for name in names]
        return Projector(
            views,
            PostgresEventStore(login),
            ViewTracking(login),
            queue,
            on_applied=on_applied,
            on_set_aside=lambda found: platform.alarm("event_set_aside", found.sentence),
        ).step

    queue = platform.queues[PROJECT_VIEWS]
    if platform.settings.mode == "aws":
        # Each at its own pace, and none waits for a table that another's has locked; one call brings all the events.
        from gateways.aws.receivers.shared_queue import SharedQueue

        shared = SharedQueue(queue)
        return [projector([name], shared.reader()) for name in VIEWS]
    return [projector(VIEWS.keys(), queue)]


PROCESS: Final = Process(
    "project",
    "Keeps every view up with the history.",
    PROJECTOR,
    needs=DATABASE,
    access=Access(receives=(PROJECT_VIEWS,), receives_formerly=FORMER_QUEUES, logins=(PROJECTOR, READER)),
    # One takes every view through a batch together, read and decoded once: a second would only take turns with it.
    deployment=Deployment(),
    steps=steps,
    follows_events=True,
    waits_at_queues=True,
)
