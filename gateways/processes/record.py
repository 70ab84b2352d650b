"""The process `record`: turns what was observed into events."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateways.aws.names import FOR_FACTS
from gateways.postgres.roles import RECORDER
from gateways.processes.process import DATABASE, Access, Deployment, Process, Scale
from gateways.queues import DEPOSIT_EVENTS
from gateways.steps import Step
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> Sequence[Step]:
    from gateways.postgres.set_aside_events import Freezes, set_aside_events
    from scanners.recorder import Recorder

    recorder = Recorder(
        platform.queues[DEPOSIT_EVENTS],
        platform.ledger,
        platform.store,
        platform.attempt_index,
        platform.outstanding,
        key=platform.secrets.deposit_fact_keys,
        alarm=platform.alarm,
    )
    waiting = partial(set_aside_events, platform.transaction, settled=False)
    return [recorder.step, Freezes(waiting, platform.ledger).step]


PROCESS: Final = Process(
    "record",
    "Turns what was observed into events.",
    RECORDER,
    needs=DATABASE,
    access=Access(sends=(DEPOSIT_EVENTS,), receives=(DEPOSIT_EVENTS,), secrets=(FOR_FACTS,), logins=(RECORDER,)),
    deployment=Deployment(Scale("queue_age", queue=DEPOSIT_EVENTS, machines_max=4)),
    steps=steps,
    idle_s=0.1,
    waits_at_queues=True,
)
