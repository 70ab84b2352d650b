"""The process `webhooks`: signs and delivers webhooks."""

import random
from typing import Final

from gateways.aws.names import FOR_WEBHOOKS, WEBHOOK_EVENTS
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER, WEBHOOKS
from gateways.processes.process import DATABASE, Access, Deployment, Process, Scale
from gateways.steps import Step
from gateways.webhooks.alarms import AlarmFeed, QuietAlarms
from gateways.webhooks.deliveries import Deliverer, Feed
from gateways.webhooks.post import Poster, TracedPoster
from gateways.wiring.platform import Platform


def steps(platform: Platform) -> list[Step]:
    """The steps of the process, in the order of the work."""
    views, operator_url = Connections(platform.logins[READER]), platform.settings.operator_webhook_url
    feed = Feed(views, platform.store, platform.bookmarks, platform.outbox)
    alarms = AlarmFeed(views, platform.bookmarks, platform.outbox, has_url=bool(operator_url))
    quiet = QuietAlarms(Connections(platform.logins[WEBHOOKS], connections_max=1), platform.clock)
    poster = Poster(allow_loopback=platform.settings.webhook_allow_loopback)
    deliverer = Deliverer(
        platform.outbox,
        platform.store,
        platform.ledger,
        poster if platform.tracing is None else TracedPoster(poster, platform.outbox, platform.tracing),
        master=platform.secrets.webhook_masters,
        operator_url=operator_url,
        clock=platform.clock,
        jitter=random.SystemRandom().random,
        alarm=platform.alarm,
    )
    return [feed.step, alarms.step, quiet.step, deliverer.step]


PROCESS: Final = Process(
    "webhooks",
    "Signs and delivers webhooks.",
    WEBHOOKS,
    needs=DATABASE,
    access=Access(
        tables={
            WEBHOOK_EVENTS: (
                "GetItem",
                "BatchGetItem",
                "Query",
                "PutItem",
                "UpdateItem",
                "DeleteItem",
                "ConditionCheckItem",
                "BatchWriteItem",
            )
        },
        secrets=(FOR_WEBHOOKS,),
        logins=(WEBHOOKS, READER),
    ),
    deployment=Deployment(Scale("lag", metric="webhook_backlog_seconds", machines_max=4), reaches=("webhooks",)),
    steps=steps,
    follows_events=True,
)
