"""The process `relay`: sends projectors and the signer what is new in the history."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from core.ledger.events import Recorded
from core.ledger.ledger import EventStore
from core.ports.bookmarks import Bookmarks
from core.ports.queues import Message
from core.streams.payout.work import PayoutWork
from core.streams.payouts import PayoutAttemptFailed, PayoutExpired, PayoutRequested
from gateways.postgres.roles import READER, RELAY
from gateways.postgres.segments import Prompts, Segments
from gateways.processes.process import DATABASE, Access, Deployment, Process
from gateways.queues import FORMER_QUEUES, PAYOUT_REQUESTS, PROJECT_VIEWS
from gateways.steps import Step
from gateways.wiring.platform import Platform

BOOKMARK: Final = "relay"
BATCH_EVENTS_MAX: Final = 1_000
SEGMENT_GROUP: Final = "segments"
"""All segments of a queue are one group: they stay in order."""


class Sends(Protocol):
    """As much of a queue as is sent to."""

    def send(self, messages: Sequence[Message]) -> None: ...


class Relay:
    """Follows the history for both queues together: one that is shut holds the other, neither loses anything."""

    def __init__(
        self,
        store: EventStore,
        bookmarks: Bookmarks,
        views: Sends,
        payouts: Sends,
        segments: Segments | None = None,
        *,
        batch_events_max: int = BATCH_EVENTS_MAX,
    ) -> None:
        self._store = store
        self._bookmarks = bookmarks
        self._views = views
        self._payouts = payouts
        self._segments = segments or Prompts()
        self._batch_events_max = batch_events_max

    def step(self) -> bool:
        """Relay one batch. True while there may be more."""
        after = self._bookmarks.load(BOOKMARK)
        records = self._store.read(after, self._batch_events_max)
        if not records:
            return False
        upto = records[-1].position
        messages = [
            Message(body=segment.encode(), group=SEGMENT_GROUP, key=f"{segment.first}-{segment.last}")
            for segment in self._segments.between(after, upto)
        ]
        self._views.send(messages)
        work = payout_work(records)
        if work:
            self._payouts.send(work)
        self._bookmarks.save(BOOKMARK, upto)
        return True


def payout_work(records: Sequence[Recorded]) -> list[Message]:
    """What the payout step must look at: a new payout, or one whose last attempt is over. Each is a hint (I14)."""
    work = []
    for record in records:
        happened = record.event
        if isinstance(happened, PayoutRequested):
            payout_id, account_id = happened.order.payout_id, happened.order.account_id
        elif isinstance(happened, PayoutExpired | PayoutAttemptFailed):
            payout_id, account_id = happened.payout_id, happened.account_id
        else:
            continue
        body = msgspec.json.encode(PayoutWork(payout_id=payout_id, account_id=account_id))
        work.append(Message(body=body, group=payout_id, key=f"{payout_id}/{record.version}"))
    return work


def steps(platform: Platform) -> Sequence[Step]:
    queues = platform.queues[PROJECT_VIEWS], platform.queues[PAYOUT_REQUESTS]
    return [Relay(platform.store, platform.bookmarks, *queues, platform.segments).step]


PROCESS: Final = Process(
    "relay",
    "Tells projectors and the signer what is new in the history.",
    RELAY,
    needs=DATABASE,
    access=Access(
        sends=(PAYOUT_REQUESTS, PROJECT_VIEWS),
        sends_formerly=FORMER_QUEUES,
        logins=(RELAY, READER),
    ),
    deployment=Deployment(),
    steps=steps,
    follows_events=True,
)
