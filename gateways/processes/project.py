"""The process `project`: keeps every view up with the history."""

from collections.abc import Collection, Sequence
from typing import Final

from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import PROJECTOR, READER
from gateways.processes.process import DATABASE, Access, Deployment, Process
from gateways.queues import PROJECT_QUEUES
from gateways.steps import Step
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> Sequence[Step]:
    from projections.engine.projector import Projector
    from projections.engine.tracking import ViewTracking
    from projections.views import VIEWS

    # The projector's own login: it reads the history and writes views, and can append nothing.
    on_applied = platform.tracing.projected if platform.tracing else lambda *_: None

    def projector(names: Collection[str]) -> Step:
        login = datastore(platform.logins[PROJECTOR])
        queues = {name: platform.queues[f"project-{name}"] for name in names}
        views = [VIEWS[name] for name in names]
        return Projector(
            views,
            PostgresEventStore(login),
            ViewTracking(login),
            queues,
            on_applied=on_applied,
            on_set_aside=lambda found: platform.alarm("event_set_aside", found.sentence),
        ).step

    if platform.settings.mode == "aws":  # each waits at its own queue, which brings it the events
        return [projector([name]) for name in VIEWS]
    return [projector(VIEWS.keys())]


PROCESS: Final = Process(
    "project",
    "Keeps every view up with the history.",
    PROJECTOR,
    needs=DATABASE,
    access=Access(receives=PROJECT_QUEUES, logins=(PROJECTOR, READER)),
    # One takes every view through a batch together, read and decoded once: a second would only take turns with it.
    deployment=Deployment(),
    steps=steps,
    follows_events=True,
    waits_at_queues=True,
)
