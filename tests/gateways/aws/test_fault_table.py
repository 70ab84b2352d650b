"""The table of faults: whatever AWS' services do, the work goes on by itself, nothing is lost and nothing is done twice."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any, Final

import pytest

from core.ports.clients import WEBHOOK_LEASE, Delivery
from core.ports.high_water import Mark
from core.ports.unavailable import Unavailable
from core.tron.secp256k1 import sha256
from gateways.aws import dynamodb, session, webhook_outbox
from gateways.aws.bundles import BundledQueue
from gateways.aws.checkpoint_archive import S3Archive
from gateways.aws.high_water import DynamoHighWater
from gateways.aws.kms import Kms
from gateways.aws.names import FOR_API, HOT, dead_queue_name, key_alias, queue_name
from gateways.aws.queue import SqsQueue
from gateways.aws.secrets import SecretStore
from gateways.aws.session import Aws
from gateways.aws.webhook_outbox import DynamoWebhookOutbox
from gateways.settings import Settings
from scanners.observer import PATIENCE_BLOCKS
from signers.keys.kms import KmsKeys
from tests.contracts.tables import LATER, delivery, tried
from tests.gateways.aws.test_dynamodb import all_of
from tests.gateways.aws.test_error_codes import SERVICES, called
from tests.scanners.world import US, World
from tests.support.aws import FAULTS as FAULTS_OF_NAMED
from tests.support.aws import NAMED, REAL, failing, made_keys, made_queues, made_secrets, made_tables, make_bucket
from tests.support.chain import SOLID_LAG, usdt_transfer

QUEUE: Final = "deposit-events"
TIMES: Final = 3
"""So many calls meet the fault; then it ends by itself."""
FAULTS: Final[dict[str, dict[str, Any]]] = {
    "throttled": {"code": "ThrottlingException", "status": 400},
    "unavailable": {"code": "ServiceUnavailable", "status": 503},
    "reset": {"kind": "reset"},
    "late": {"kind": "late", "seconds": 0.6},
    "expired credentials": {"code": "ExpiredTokenException", "status": 400},
    "unknown credentials": {"code": "UnrecognizedClientException", "status": 400},
    "denied": {"code": "AccessDeniedException", "status": 400},
    "a code that nobody knows": {"code": "NobodyKnowsException", "status": 400},
    "done and the answer lost": {"kind": "lost"},
    "done twice": {"kind": "doubled"},
}
OF_KEYS: Final = {
    "disabled": {"code": "DisabledException", "status": 400},
    "to be deleted": {"code": "KMSInvalidStateException", "status": 400},
    "not known yet": {"code": "NotFoundException", "status": 400},
}


@pytest.fixture
def aws(aws_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Aws:
    if REAL or (NAMED and not FAULTS_OF_NAMED):
        pytest.skip("nobody fails on command")
    monkeypatch.setattr(session, "TRIES_MAX", 1)
    monkeypatch.setattr(dynamodb.time, "sleep", lambda _: None)
    return Aws(aws_settings)


@pytest.fixture
def hasty(aws_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """What is late is not waited for, and done all the same: of the work alone, not of what prepares it."""
    made = Aws(aws_settings)
    with monkeypatch.context() as patch:
        patch.setattr(session, "READ_S", 0.4)
        for service in SERVICES:
            made.client(service)
    return made


def goes_on(step: Callable[[], Any]) -> Any:
    """As the loop of a process does it: what is unavailable is tried again, and nothing else."""
    for _ in range(500):
        try:
            return step()
        except Unavailable:
            continue
    raise AssertionError("it waits for ever")


class OnSqs:
    """The deposit queue as the world wants it: a restart of processes changes nothing in SQS."""

    def __init__(self, aws: Aws) -> None:
        self._queue = BundledQueue(SqsQueue(aws, QUEUE, visibility_s=1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def timeout(self) -> None: ...


def world_on(aws: Aws) -> World:
    world = World()
    world.queue = OnSqs(aws)  # type: ignore[assignment]
    world.restart()
    return world


def settle(world: World, holds: Callable[[], bool]) -> None:
    """Observer and recorder in turn, until it holds; what was in flight when a call failed comes again after a second."""
    for _ in range(2_000):
        goes_on(world.observer.step)
        goes_on(world.recorder.step)
        if holds():
            return
    raise AssertionError("it does not come to that")


@contextmanager
def deposits(made: Aws, aws: Aws) -> Iterator[Callable[[], None]]:
    """Observer, SQS and recorder: ten transfers are credited, each once."""
    with made_queues(made, (QUEUE,)):
        world = world_on(aws)

        def work() -> None:
            world.chain.mine(*[usdt_transfer(number, US, 5) for number in range(1, 11)], blocks=SOLID_LAG + 1)
            settle(world, lambda: world.balance() == 50 and not world.outstanding.rows)
            assert world.balance() == 50
            assert world.alarms == []

        yield work


class Unsettled:
    """UnsettledWebhooks in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, Delivery] = {}

    def keep(self, deliveries: Sequence[Delivery]) -> None:
        self._kept |= {each.event_id: each for each in deliveries}

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self._kept.pop(each.event_id, None)

    def all(self) -> Iterator[list[Delivery]]:
        yield list(self._kept.values())


@contextmanager
def webhooks(made: Aws, aws: Aws) -> Iterator[Callable[[], None]]:
    """Six events of two subjects are put, sent in order and recorded, each once."""
    with made_tables(made), closing(DynamoWebhookOutbox(aws, Unsettled())) as outbox:  # type: ignore[arg-type]

        def work() -> None:
            items = [delivery(f"e{n}", n, subject=f"payout-{n % 2}") for n in range(1, 7)]
            goes_on(lambda: outbox.put(items))
            sent: list[int] = []
            for turn in itertools.count():
                now = LATER + turn * (WEBHOOK_LEASE + timedelta(seconds=1))
                for item in goes_on(lambda now=now: outbox.due(now, 10)):
                    sent.append(item.sequence)
                    goes_on(lambda item=item: outbox.record(tried(item, "delivered")))
                events = [it for it in all_of(made, webhook_outbox.WEBHOOK_EVENTS) if "sequence" in it]
                if all(it["status"] == "delivered" for it in events):
                    break
            assert sorted(it["sequence"] for it in events) == [1, 2, 3, 4, 5, 6]
            assert {it["attempts"] for it in events} == {1}
            assert [n for n in dict.fromkeys(sent) if n % 2] == [1, 3, 5]

        yield work


@contextmanager
def marks(made: Aws, aws: Aws) -> Iterator[Callable[[], None]]:
    """The high-water mark moves from one to the next, and each move is done once."""
    with made_tables(made):
        water = DynamoHighWater(aws)

        def work() -> None:
            before = None
            for position in range(1, 6):
                after = Mark("store", position, "aa" * 32)
                goes_on(lambda before=before, after=after: water.move(before, after))
                before = after
            assert goes_on(water.load) == before

        yield work


@contextmanager
def signatures(made: Aws, aws: Aws) -> Iterator[Callable[[], None]]:
    """Every signature that is given recovers to the wallet; a key for each address is made once, and none lies about."""
    with made_keys(made):
        kms, name = Kms(aws), key_alias(aws.prefix, HOT)
        key_id = f"kms:{Kms(made).key_id(name)}"
        kms._young[key_id.removeprefix("kms:")] = (
            kms._monotonic()
        )  # a fault of this table may be that it is not known yet

        def work() -> None:
            key = goes_on(lambda: KmsKeys(kms).key(key_id))
            for number in range(3):
                assert goes_on(lambda number=number: key.sign_digest(sha256(b"%d" % number)))
            made = {goes_on(kms.make) for _ in range(2)}
            while goes_on(lambda: list(Kms(aws)._without_alias())):
                made.add(goes_on(Kms(aws).make))
            assert {key_id for key_id, _ in goes_on(lambda: list(Kms(aws).made()))} == made
            assert 2 <= len(made) <= 2 + TIMES

        yield work


@contextmanager
def secrets(made: Aws, aws: Aws) -> Iterator[Callable[[], None]]:
    """What is put is what is read."""
    with made_secrets(made):

        def work() -> None:
            for value in ("a", "b"):
                goes_on(lambda value=value: SecretStore(aws).put(FOR_API, {"pepper": value}))
                assert goes_on(lambda: SecretStore(aws).fields(FOR_API)) == {"pepper": value}

        yield work


@contextmanager
def checkpoints(made: Aws, aws: Aws) -> Iterator[Callable[[], None]]:
    """Three checkpoints are in the archive, each as it was put."""
    make_bucket(made, f"{aws.prefix}checkpoints")
    archive = S3Archive(aws, f"{aws.prefix}checkpoints")

    def work() -> None:
        for number in range(3):
            goes_on(lambda number=number: archive.put(number, b"%d" % number))
        assert goes_on(lambda: list(archive.contents())) == [(number, b"%d" % number) for number in range(3)]

    yield work


WORK: Final[dict[str, tuple[str, Any]]] = {
    "deposits": ("sqs", deposits),
    "webhooks": ("dynamodb", webhooks),
    "marks": ("dynamodb", marks),
    "signatures": ("kms", signatures),
    "secrets": ("secretsmanager", secrets),
    "checkpoints": ("s3", checkpoints),
}
ROWS: Final = [
    pytest.param(name, fault, marks=pytest.mark.asks(WORK[name][0]))
    for name, fault in (*itertools.product(WORK, FAULTS), *itertools.product(["signatures"], OF_KEYS))
]


@pytest.mark.parametrize(("name", "fault"), ROWS)
def test_the_work_goes_on_by_itself(aws: Aws, hasty: Aws, aws_url: str, name: str, fault: str) -> None:
    """Whatever the first calls meet."""
    service, prepared = WORK[name]
    with (
        prepared(aws, hasty if fault == "late" else aws) as work,
        failing(aws_url, service, **{**FAULTS, **OF_KEYS}[fault], times=TIMES),
    ):
        work()


DENIED: Final = [
    pytest.param(name, operation, marks=pytest.mark.asks(service))
    for name, (service, _) in WORK.items()
    for of, operation in sorted(called())
    if of == service and service != "s3"  # whose operations are told by their paths alone
]


@pytest.mark.parametrize(("name", "operation"), DENIED)
def test_a_right_that_is_missing_for_a_while_stops_nothing(aws: Aws, aws_url: str, name: str, operation: str) -> None:
    """Each action by itself: what needs it waits, and the work is done when it is allowed again."""
    service, prepared = WORK[name]
    denied = {"code": "AccessDeniedException", "status": 400, "operation": operation, "times": TIMES}
    with prepared(aws, aws) as work, failing(aws_url, service, **denied):
        work()


# What a queue may do with messages


@pytest.mark.asks("sqs")
def test_a_queue_that_is_deleted_and_made_again_loses_nothing(aws: Aws) -> None:
    """What was in it is told again by the observer, and credited once."""
    with made_queues(aws, (QUEUE,)):
        world = world_on(aws)
        world.chain.mine(usdt_transfer(1, US, 5), blocks=SOLID_LAG + 1)
        while goes_on(world.observer.step):
            pass
        assert world.balance() == 0
    with pytest.raises(Unavailable, match="terraform makes it"):
        world.recorder.step()
    sqs = aws.client("sqs")
    with made_queues(aws, (QUEUE,)):
        assert sqs.get_queue_url(QueueName=queue_name(aws.prefix, QUEUE))
        assert sqs.get_queue_url(QueueName=dead_queue_name(aws.prefix, QUEUE))
        world.chain.mine(blocks=PATIENCE_BLOCKS + 1)
        settle(world, lambda: world.balance() == 5)
        assert world.balance() == 5


@pytest.mark.asks("sqs")
@pytest.mark.parametrize("how", ["late by five minutes", "out of order"])
def test_messages_that_come_again_or_otherwise_are_credited_once(aws: Aws, how: str) -> None:
    """Behind the window in which SQS knows a repeated key, or in any order, each in a group of its own."""
    sent: list[dict[str, Any]] = []
    aws.client("sqs").meta.events.register(
        "provide-client-params.sqs.SendMessageBatch", lambda params, **_: sent.extend(params["Entries"])
    )
    with made_queues(aws, (QUEUE,)):
        world = world_on(aws)
        for number in range(1, 6):
            world.chain.mine(usdt_transfer(number, US, 5))
            goes_on(world.observer.step)
        world.chain.mine(blocks=SOLID_LAG + 1)
        while goes_on(world.observer.step):
            pass
        told = list(sent)
        if how == "out of order":
            world.queue.purge()
        else:
            settle(world, lambda: world.balance() == 25)
        assert len(told) > 5
        url = aws.client("sqs").get_queue_url(QueueName=queue_name(aws.prefix, QUEUE))["QueueUrl"]
        for number, entry in enumerate(reversed(told)):
            aws.client("sqs").send_message(
                QueueUrl=url,
                MessageBody=entry["MessageBody"],
                MessageGroupId=f"other-{number}",
                MessageDeduplicationId=f"other-{number}",
            )
        settle(world, lambda: world.balance() == 25 and world.queue.depth() == 0)
        assert world.balance() == 25
        assert world.alarms == []
