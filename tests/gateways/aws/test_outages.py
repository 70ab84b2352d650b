"""What comes from AWS' side is waited for, in every adapter; what our own bytes cause is a defect."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from core.ports.queues import Message
from core.ports.unavailable import Unavailable
from gateways.aws import session
from gateways.aws.api_keys import DynamoApiKeys
from gateways.aws.audit_log import DynamoAuditLog
from gateways.aws.checkpoint_archive import S3Archive
from gateways.aws.error_codes import OURS, REMEDIES
from gateways.aws.idempotency_keys import DynamoIdempotencyKeys
from gateways.aws.kms import Kms
from gateways.aws.names import FOR_API, HOT, key_alias
from gateways.aws.outages import is_outage, reaching, refuse_failures
from gateways.aws.queue import SqsQueue
from gateways.aws.secrets import FRESH_S, SecretStore
from gateways.aws.session import Aws
from gateways.http.edge.edge import problem_reply
from gateways.settings import Settings
from gateways.user_error import NotReady
from tests.support.aws import REAL, made_keys, made_queues, made_secrets, made_tables, make_bucket, refusing

SERVICES = ("dynamodb", "kms", "s3", "secretsmanager", "sqs")
OUTSIDE = (
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "AccessDeniedException",
    "NobodyKnowsException",
)
KEY = ("DisabledException", "KMSInvalidStateException", "KeyUnavailableException")
DECLARED_OURS = """
AlreadyExistsException BatchEntryIdsNotDistinct BatchRequestTooLong ConditionalCheckFailedException EmptyBatchRequest
IdempotentParameterMismatchException IncorrectKeyException InvalidAliasNameException InvalidArnException
InvalidAttributeName InvalidAttributeValue InvalidBatchEntryId InvalidCiphertextException InvalidIdFormat
InvalidKeyUsageException InvalidMessageContents InvalidParameterException InvalidRequest
ItemCollectionSizeLimitExceededException ReceiptHandleIsInvalid TooManyEntriesInBatchRequest UnsupportedOperation
UnsupportedOperationException DryRunOperationException InvalidGrantTokenException InvalidMarkerException TagException
MalformedPolicyDocumentException ResourceExistsException EncryptionTypeMismatch InvalidWriteOffset TooManyParts
"""
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")


@pytest.mark.fast
@pytest.mark.parametrize("code", [*OUTSIDE, *REMEDIES, *KEY, "AWS.SimpleQueueService.NonExistentQueue"])
def test_every_code_that_says_not_now_is_waited_for(code: str) -> None:
    """Busy, unknown credentials, a right, a key, a clock, a thing that is not there, and what nobody knows."""
    with pytest.raises(Unavailable, match="the books refuses for now"), reaching("the books"):
        raise refusal(code)


@pytest.mark.fast
@pytest.mark.parametrize("code", sorted(OURS))
def test_what_our_bytes_cause_is_a_defect(code: str) -> None:
    """Trying again would change nothing; but a service that is down is down, whatever it says."""
    with pytest.raises(ClientError), reaching("the books"):
        raise refusal(code)
    with pytest.raises(Unavailable), reaching("the books"):
        raise refusal(code, 503)


@pytest.mark.fast
def test_what_its_caller_reads_is_an_answer() -> None:
    """The code goes up to whoever named it, and to nobody else."""
    with pytest.raises(ClientError), reaching("the books", "NotFoundException"):
        raise refusal("NotFoundException")


@pytest.mark.fast
def test_every_code_that_the_services_declare_is_one_or_the_other() -> None:
    """Of the errors in botocore's own models, no others than these are taken for ours."""
    models = botocore.session.get_session().get_service_model
    declared = {shape.error_code for service in SERVICES for shape in models(service).error_shapes}
    assert not OURS & REMEDIES.keys()
    assert len(declared) > 100
    assert {code for code in declared if not is_outage(refusal(code))} == set(DECLARED_OURS.split())


@pytest.mark.fast
def test_without_an_answer_it_is_waited_for() -> None:
    """No connection, no credentials, an answer that is none: outside. A call that cannot be made: ours."""
    for kind in (
        botocore.exceptions.EndpointConnectionError(endpoint_url="x"),
        botocore.exceptions.ReadTimeoutError(endpoint_url="x"),
        botocore.exceptions.NoCredentialsError(),
        botocore.exceptions.PartialCredentialsError(provider="env", cred_var="x"),
        botocore.exceptions.CredentialRetrievalError(provider="x", error_msg="x"),
        botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ResponseParserError("a proxy's page"),
    ):
        with pytest.raises(Unavailable, match="the books cannot be reached"), reaching("the books"):
            raise kind
    with pytest.raises(BotoCoreError), reaching("the books"):
        raise botocore.exceptions.ParamValidationError(report="x")
    assert not is_outage(KeyError("x"))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("code", "error"),
    [("KMS.DisabledException", Unavailable), ("AccessDenied", Unavailable), ("InvalidMessageContents", ValueError)],
)
def test_an_entry_of_a_batch_is_judged_by_its_code(code: str, error: type[Exception]) -> None:
    """Not by whose fault the service says it is: a disabled key of a queue is the sender's to it."""
    failed = {"Failed": [{"Id": "0", "Code": f"AWS.SimpleQueueService.{code}", "SenderFault": True}]}
    with pytest.raises(error, match=code.rpartition(".")[2]):
        refuse_failures("deposits", failed)
    refuse_failures("deposits", failed, forgiven=frozenset({code.rpartition(".")[2]}))


# Every adapter, on an emulator that refuses


@pytest.fixture
def aws(aws_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Aws:
    if REAL:
        pytest.skip("AWS does not fail on command")
    monkeypatch.setattr(session, "TRIES_MAX", 1)
    return Aws(aws_settings)


Call = Callable[[], Any]


@contextmanager
def queue(aws: Aws) -> Iterator[list[Call]]:
    with made_queues(aws, ("deposit-events",)):
        it = SqsQueue(aws, "deposit-events")
        sent = [Message(body=b"{}", group="a", key="k")]
        yield [lambda: it.send(sent), lambda: it.receive(1), it.depth, it.dead_depth, lambda: it.dead(1)]


@contextmanager
def tables(aws: Aws) -> Iterator[list[Call]]:
    with made_tables(aws):
        keys, log, noted = DynamoApiKeys(aws), DynamoAuditLog(aws), DynamoIdempotencyKeys(aws)
        yield [
            lambda: keys.find("hash"),
            lambda: keys.of_account("account"),
            lambda: keys.used("hash", NOW),
            lambda: log.page("account", None, 10),
            lambda: noted.complete("account", "scope", "key", b""),
            lambda: noted.abandon("account", "scope", "key"),
        ]


@contextmanager
def keys(aws: Aws) -> Iterator[list[Call]]:
    with made_keys(aws):
        kms, hot = Kms(aws), key_alias(aws.prefix, HOT)
        yield [lambda: kms.key_id(hot), lambda: kms.sign_digest(hot, b"\1" * 32), lambda: list(kms.made())]


@contextmanager
def secrets(aws: Aws) -> Iterator[list[Call]]:
    with made_secrets(aws):
        yield [lambda: SecretStore(aws).put(FOR_API, {"a": "b"}), lambda: SecretStore(aws).fields(FOR_API)]


@contextmanager
def archive(aws: Aws) -> Iterator[list[Call]]:
    make_bucket(aws, f"{aws.prefix}checkpoints")
    it = S3Archive(aws, f"{aws.prefix}checkpoints")
    yield [lambda: it.put(1, b"{}"), lambda: list(it.contents())]


@pytest.mark.parametrize(
    ("service", "port"),
    [("sqs", queue), ("dynamodb", tables), ("kms", keys), ("secretsmanager", secrets), ("s3", archive)],
)
def test_every_adapter_waits_and_goes_on(aws: Aws, service: str, port: Any, aws_url: str) -> None:
    """Whatever is refused, each of its calls says Unavailable, and does its work when the refusal ends."""
    with port(aws) as calls:
        for code in (*OUTSIDE, *(KEY if service == "kms" else ())):
            with refusing(aws_url, service, code):
                for call in calls:
                    with pytest.raises(Unavailable, match=code):
                        call()
        for call in calls:
            call()


def test_a_secret_that_cannot_be_read_again_stays_known(aws: Aws, aws_url: str) -> None:
    """Refused, emptied or spoiled: what is known goes on, and is asked for again after longer and longer pauses."""
    now_s, name = 0.0, FOR_API
    with made_secrets(aws):
        store = SecretStore(aws, monotonic=lambda: now_s)
        store.put(name, {"a": "b"})
        asked: list[str] = []
        aws.client("secretsmanager").meta.events.register(
            "before-call.secretsmanager.GetSecretValue", lambda **_: asked.append("")
        )
        assert store.fields(name) == {"a": "b"}
        with refusing(aws_url, "secretsmanager", "UnrecognizedClientException"):
            for _ in range(600):
                now_s += 1
                assert store.fields(name) == {"a": "b"}
        assert 10 < len(asked) < 25
        for spoiled in ("no JSON", "{}"):
            aws.client("secretsmanager").put_secret_value(SecretId=store._id(name), SecretString=spoiled)
            now_s += 2 * FRESH_S
            assert store.fields(name) == {"a": "b"}
            with pytest.raises(NotReady):
                SecretStore(aws).fields(name)
        store.put(name, {"a": "c"})
        assert store.fields(name) == {"a": "c"}


@pytest.mark.fast
@pytest.mark.parametrize("error", [Unavailable("KMS refuses for now"), NotReady("the secret has no value")])
def test_a_client_is_told_to_try_again(error: Exception) -> None:
    """503 with Retry-After, and nothing of what is behind it."""
    answer = problem_reply(error, "request")
    assert answer.status == 503
    assert b"secret" not in answer.body
    assert b"retry-after" in {name.lower() for name, _ in answer.headers}
