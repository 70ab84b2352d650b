"""What a test needs of AWS: an emulator of the session's own, or what `make stand-ins` was told of.

That is an account (REAL) or some services elsewhere (NAMED), the others being the emulator's then; what tests make there has
the run's prefix and goes at the end.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError

from gateways.aws import names
from gateways.aws.session import Aws
from gateways.queues import QUEUES
from gateways.settings import Settings, load
from tests.support.emulator.faults import FAILS
from tests.support.patience import HANG_S

ROOT = Path(__file__).parents[2]
REAL = os.environ.get("COUNTERFOIL_TEST_AWS") == "1"
NAMED = frozenset(os.environ.get("COUNTERFOIL_STAND_INS", "").split())
"""Services that others stand in for, as botocore calls them."""
FAULTS = bool(NAMED) and os.environ.get("COUNTERFOIL_STAND_INS_FAULTS") == "1"
"""Whether they are asked through the emulator, which fails on command."""
PREFIX_OF_RUN = os.environ.get("COUNTERFOIL_STAND_INS_PREFIX", "cf")
SERVICES = ("dynamodb", "kms", "s3", "secretsmanager", "sqs")
RUN_TAG = "counterfoil-run"
"""Of keys that tests make: no alias says whose they are after a run that was killed."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "of-an-emulator",
    "AWS_SECRET_ACCESS_KEY": "of-an-emulator",
    "AWS_EC2_METADATA_DISABLED": "true",
}
REGION = "eu-central-1"


@contextlib.contextmanager
def emulator(*flags: str) -> Iterator[str]:
    """An emulator in a process of its own -> its URL."""
    command = [sys.executable, "-m", "tests.support.emulator", *flags]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), "the emulator did not start"  # never AWS by accident
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    """Where AWS answers: empty for AWS itself."""
    if REAL:
        yield ""
        return
    with emulator(*(["--mix"] if FAULTS else [])) as url:
        if not NAMED or FAULTS:
            yield url
            return
        with pytest.MonkeyPatch.context() as patch:
            for service in set(SERVICES) - NAMED:
                patch.setenv(endpoint_variable(service), url)
            yield ""


def endpoint_variable(service: str) -> str:
    """sqs -> AWS_ENDPOINT_URL_SQS, which boto3 reads"""
    identifier = {"secretsmanager": "SECRETS_MANAGER"}
    return f"AWS_ENDPOINT_URL_{identifier.get(service, service.upper())}"


@contextlib.contextmanager
def refusing(url: str, services: str, code: str, status: int = 400, **only: str) -> Iterator[None]:
    """The emulator at `url` refuses every call of these services, or those of an `operation` or a `process`, in this block."""
    with failing(url, services, code=code, status=status, **only):
        yield


@contextlib.contextmanager
def failing(url: str, services: str, **fault: Any) -> Iterator[None]:
    """Its calls to these services meet this fault (tests/support/emulator/faults.py), in this block."""
    with httpx2.Client(base_url=url, timeout=HANG_S) as client:
        faults = [{"service": service, **fault} for service in services.split()]
        client.put(FAILS, json=faults).raise_for_status()
        try:
            yield
        finally:
            client.put(FAILS, json=[]).raise_for_status()


@pytest.fixture
def aws_settings(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation of the test's own: nothing of it is there yet."""
    if not REAL:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
    region = "" if REAL else REGION
    prefix = f"{PREFIX_OF_RUN}{secrets.token_hex(4)}-"
    return load({}, mode="aws", aws_endpoint_url=aws_url, aws_region=region, aws_prefix=prefix)


@contextlib.contextmanager
def made_queues(aws: Aws, queues: tuple[str, ...] = QUEUES) -> Iterator[None]:
    """The queues and their dead letters, as terraform makes them."""
    sqs = aws.client("sqs")
    urls = []
    for name in queues:
        dead = sqs.create_queue(QueueName=names.dead_queue_name(aws.prefix, name), Attributes=names.QUEUE_ATTRIBUTES)
        urls.append(dead["QueueUrl"])
        arn = sqs.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": names.RECEIVES_MAX})
        attributes = {**names.QUEUE_ATTRIBUTES, "RedrivePolicy": redrive}
        made = sqs.create_queue(QueueName=names.queue_name(aws.prefix, name), Attributes=attributes)
        urls.append(made["QueueUrl"])
    try:
        yield
    finally:
        for url in urls:
            sqs.delete_queue(QueueUrl=url)


@contextlib.contextmanager
def made_tables(aws: Aws) -> Iterator[None]:
    """The tables, as terraform makes them."""
    dynamodb = aws.client("dynamodb")
    for table in names.TABLES:
        keys = {table.hash_key, *filter(None, [table.range_key])}
        for index in table.indexes:
            keys |= {index.hash_key, *filter(None, [index.range_key])}
        indexes = [
            {
                "IndexName": index.name,
                "KeySchema": key_schema(index.hash_key, index.range_key),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index in table.indexes
        ]
        dynamodb.create_table(
            TableName=aws.prefix + table.name,
            KeySchema=key_schema(table.hash_key, table.range_key),
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
            BillingMode="PAY_PER_REQUEST",
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )
    for table in names.TABLES:
        name = aws.prefix + table.name
        dynamodb.get_waiter("table_exists").wait(TableName=name)
        expiry = {"Enabled": True, "AttributeName": table.ttl}
        with without_what_it_lacks("dynamodb"):
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
    try:
        yield
    finally:
        for table in names.TABLES:
            dynamodb.delete_table(TableName=aws.prefix + table.name)


@contextlib.contextmanager
def without_what_it_lacks(service: str) -> Iterator[None]:
    """A stand-in that does not know an operation goes on without it, where nothing of ours is built on that."""
    try:
        yield
    except ClientError as error:
        if service not in NAMED or error.response["Error"]["Code"] != "UnknownOperationException":
            raise


@pytest.fixture(scope="session")
def tables_of_run(aws_url: str) -> Iterator[Aws]:
    """An account's tables take their time: one set for a whole run."""
    services = Aws(load({}, mode="aws", aws_prefix=f"{PREFIX_OF_RUN}{secrets.token_hex(4)}-"))
    with made_tables(services):
        yield services


@pytest.fixture
def tables(request: pytest.FixtureRequest, aws_settings: Settings) -> Iterator[Aws]:
    """Where there are tables, with nothing in them."""
    if not REAL:
        services = Aws(aws_settings)
        with made_tables(services):
            yield services
        return
    services = request.getfixturevalue("tables_of_run")
    yield services
    for table in names.TABLES:
        emptied(services, table)


@contextlib.contextmanager
def made_keys(aws: Aws) -> Iterator[None]:
    """The wallets' keys and the wrapping key with their aliases, as terraform makes them; deleted as soon as AWS lets us."""
    kms = aws.client("kms")
    made = []
    wallet = {"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY"}
    wrapping = {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}
    specs = {
        name: wallet if name in names.WALLET_KEYS else wrapping for name in names.WALLET_KEYS + names.WRAPPING_KEYS
    }
    for name, spec in specs.items():
        key_id = kms.create_key(**spec, Tags=run_tags())["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=names.key_alias(aws.prefix, name), TargetKeyId=key_id)
        made.append((names.key_alias(aws.prefix, name), key_id))
    try:
        yield
    finally:
        for alias, key_id in made:
            kms.delete_alias(AliasName=alias)
            kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)


def run_tags() -> list[dict[str, str]]:
    return [{"TagKey": RUN_TAG, "TagValue": PREFIX_OF_RUN}]


@contextlib.contextmanager
def made_key(aws: Aws, **spec: str) -> Iterator[str]:
    """A key of the test's own, without an alias -> its id."""
    kms = aws.client("kms")
    key_id = str(kms.create_key(**spec, Tags=run_tags())["KeyMetadata"]["KeyId"])
    try:
        yield key_id
    finally:
        kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)


def make_bucket(aws: Aws, name: str) -> None:
    """The bucket of checkpoints, with versions, as terraform makes it, and locked where nobody has to clear it away."""
    s3 = aws.client("s3")
    region = s3.meta.region_name
    placed = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=not (REAL or "s3" in NAMED), **placed)
    if REAL or "s3" in NAMED:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}}
    s3.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )


def key_schema(hash_key: str, range_key: str | None) -> list[dict[str, Any]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return schema + ([{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else [])


def emptied(aws: Aws, table: names.Table) -> None:
    """Every item is deleted, as if the table had been made anew."""
    dynamodb, name = aws.client("dynamodb"), aws.prefix + table.name
    keys = [table.hash_key, *filter(None, [table.range_key])]
    for page in dynamodb.get_paginator("scan").paginate(TableName=name):
        for item in page["Items"]:
            dynamodb.delete_item(TableName=name, Key={key: item[key] for key in keys})


@contextlib.contextmanager
def made_secrets(aws: Aws) -> Iterator[None]:
    """The secrets, empty, as terraform makes them."""
    manager = aws.client("secretsmanager")
    made = [names.secret_name(aws.prefix, name) for name in (*names.SECRETS, *names.LOGIN_SECRETS, names.OWNER_LOGIN)]
    for name in made:
        manager.create_secret(Name=name)
    try:
        yield
    finally:
        for name in made:
            manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@contextlib.contextmanager
def made_everything(settings: Settings, owner_url: str) -> Iterator[None]:
    """All that terraform makes, and what `counterfoil secrets make` puts into it; the owner's login is the database's."""
    from psycopg.conninfo import conninfo_to_dict

    from gateways.aws.secret_values import make
    from gateways.aws.secrets import SecretStore

    aws = Aws(settings)
    with made_queues(aws), made_tables(aws), made_keys(aws), made_secrets(aws):
        owner = conninfo_to_dict(owner_url)
        login = {"username": str(owner["user"]), "password": str(owner.get("password") or "-")}
        SecretStore(aws).put(names.OWNER_LOGIN, login)
        make(settings)
        if settings.checkpoint_bucket:
            make_bucket(aws, settings.checkpoint_bucket)
        yield
