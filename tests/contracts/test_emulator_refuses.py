"""What AWS refuses, the emulator refuses, too; moto as it comes lets it pass."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

from gateways.aws.kms import WALLET_KEY
from gateways.aws.names import MESSAGE_BYTES_MAX, QUEUE_ATTRIBUTES
from tests.support.aws import CREDENTIALS, NAMED, REAL, REGION, emulator

pytestmark = pytest.mark.skipif(REAL or bool(NAMED), reason="it is about the emulator")


class Clients:
    """Of one emulator."""

    def __init__(self, url: str) -> None:
        keys = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
        given = {argument: CREDENTIALS[name] for argument, name in keys.items()}
        self.sqs, self.kms, self.dynamodb, self.secrets = (
            boto3.client(service, endpoint_url=url, region_name=REGION, **given)
            for service in ("sqs", "kms", "dynamodb", "secretsmanager")
        )
        made = self.sqs.create_queue(QueueName="refusals.fifo", Attributes=QUEUE_ATTRIBUTES)
        self.queue = made["QueueUrl"]
        self.dynamodb.create_table(
            TableName="refusals",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def send(self, body: str = "{}", group: str = "g", key: str = "k", **more: Any) -> None:
        self.sqs.send_message(
            QueueUrl=self.queue, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=key, **more
        )

    def send_batch(self, *bodies: str) -> None:
        """Raises ClientError for a refused entry, too."""
        entries = [
            {"Id": str(n), "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": f"b{n}"}
            for n, body in enumerate(bodies)
        ]
        answer = self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)
        for failed in answer.get("Failed", []):
            raise ClientError({"Error": {"Code": failed["Code"]}}, "SendMessageBatch")

    def key(self) -> str:
        return str(self.kms.create_key(**WALLET_KEY)["KeyMetadata"]["KeyId"])

    def sign(self, key_id: str, message: bytes = b"\1" * 32, kind: str = "DIGEST") -> None:
        self.kms.sign(KeyId=key_id, Message=message, MessageType=kind, SigningAlgorithm="ECDSA_SHA_256")

    def sign_disabled(self) -> None:
        key_id = self.key()
        self.kms.disable_key(KeyId=key_id)
        self.sign(key_id)

    def sign_deleted(self) -> None:
        key_id = self.key()
        self.kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
        self.sign(key_id)

    def open_disabled(self) -> None:
        key_id = self.kms.create_key()["KeyMetadata"]["KeyId"]
        wrapped = self.kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")["CiphertextBlob"]
        self.kms.disable_key(KeyId=key_id)
        self.kms.decrypt(KeyId=key_id, CiphertextBlob=wrapped)

    def put_number(self, number: str) -> None:
        self.dynamodb.put_item(TableName="refusals", Item={"id": {"S": "n"}, "is": {"N": number}})

    def put_many(self, count: int) -> None:
        puts = [{"PutRequest": {"Item": {"id": {"S": str(n)}}}} for n in range(count)]
        self.dynamodb.batch_write_item(RequestItems={"refusals": puts})

    def transact(self, name: str, token: str = "a-token") -> None:
        put = {"Put": {"TableName": "refusals", "Item": {"id": {"S": name}}}}
        self.dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken=token)

    def transact_other(self) -> None:
        self.transact("one")
        self.transact("two")

    def put_secret_other(self) -> None:
        self.secrets.create_secret(Name="refusals")
        for value in ("a", "b"):
            self.secrets.put_secret_value(SecretId="refusals", SecretString=value, ClientRequestToken="t" * 32)


FORBIDDEN: Final = "{\uffff}"
REASON: Final = {"reason": {"DataType": "String", "StringValue": "x" * 100}}
REFUSED: Final[dict[str, tuple[str, Callable[[Clients], None]]]] = {
    "signing with a disabled key": ("DisabledException", Clients.sign_disabled),
    "signing with a key that is to be deleted": ("KMSInvalidStateException", Clients.sign_deleted),
    "opening with a disabled key": ("DisabledException", Clients.open_disabled),
    "4,097 bytes to sign": ("ValidationException", lambda it: it.sign(it.key(), b"x" * 4_097, "RAW")),
    "a character outside the set": ("InvalidMessageContents", lambda it: it.send(FORBIDDEN)),
    "the same in a batch": ("InvalidMessageContents", lambda it: it.send_batch("{}", FORBIDDEN)),
    "attributes over the size": (
        "InvalidParameterValue",
        lambda it: it.send("x" * (MESSAGE_BYTES_MAX - 50), MessageAttributes=REASON),
    ),
    "characters of more bytes than one": (
        "InvalidParameterValue",
        lambda it: it.send("é" * (MESSAGE_BYTES_MAX // 2 + 1)),
    ),
    "a batch over the size": ("BatchRequestTooLong", lambda it: it.send_batch("é" * 300_000, "é" * 300_000)),
    "a long group": ("InvalidParameterValue", lambda it: it.send(group="g" * 129)),
    "a long key": ("InvalidParameterValue", lambda it: it.send(key="k" * 129)),
    "a number of 39 digits": ("ValidationException", lambda it: it.put_number("1" * 39)),
    "26 puts in a batch": ("ValidationException", lambda it: it.put_many(26)),
    "a token with another transaction": ("IdempotentParameterMismatchException", Clients.transact_other),
    "a token with another secret": ("ResourceExistsException", Clients.put_secret_other),
}
MOTO_REFUSES: Final = ("a token with another secret",)
"""What moto does by itself."""


@pytest.fixture(scope="module")
def as_it_is() -> Iterator[Clients]:
    with emulator() as url:
        yield Clients(url)


@pytest.fixture(scope="module")
def as_it_comes() -> Iterator[Clients]:
    with emulator("--as-it-comes") as url:
        yield Clients(url)


def answered(ask: Callable[[Clients], None], clients: Clients) -> str:
    """The code of the refusal; empty where there was none."""
    try:
        ask(clients)
    except ClientError as refused:
        return str(refused.response["Error"]["Code"]).rpartition(".")[2]
    return ""


@pytest.mark.parametrize("what", REFUSED)
def test_the_emulator_refuses(as_it_is: Clients, what: str) -> None:
    """In the words of AWS."""
    code, ask = REFUSED[what]
    assert answered(ask, as_it_is) == code


@pytest.mark.parametrize("what", [what for what in REFUSED if what not in MOTO_REFUSES])
def test_moto_lets_it_pass(as_it_comes: Clients, what: str) -> None:
    """The day it does not, the mending goes."""
    code, ask = REFUSED[what]
    assert answered(ask, as_it_comes) != code


def test_what_is_allowed_passes(as_it_is: Clients) -> None:
    """The largest of each; and a transaction that is sent again is done once, and answered."""
    it = as_it_is
    it.send("é" * (MESSAGE_BYTES_MAX // 2), group="g" * 128, key="p" * 128)
    it.sign(it.key(), b"x" * 4_096, "RAW")
    it.put_number("1" * 38)
    it.put_number("-0.00" + "1" * 38 + "000")
    it.put_many(25)
    for _ in range(2):
        it.transact("again", token="another")
