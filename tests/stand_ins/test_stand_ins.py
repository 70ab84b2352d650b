"""`make stand-ins`: what is named is asked, nobody else is, and nothing is left."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.stand_ins.clearing import clear
from tests.stand_ins.named import Unusable, named
from tests.support.aws import CREDENTIALS, REGION, RUN_TAG, SERVICES, emulator
from tests.support.patience import HANG_S

ROOT = Path(__file__).parents[2]


@pytest.mark.fast
def test_without_a_name_it_says_what_to_set() -> None:
    """And asks nobody."""
    with pytest.raises(Unusable, match="AWS_ENDPOINT_URL_<SERVICE>"):
        named({})


@pytest.mark.fast
def test_what_is_named_is_asked_without_anybodys_credentials() -> None:
    """One service, or all of them."""
    run = named({"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1", "AWS_PROFILE": "mine"})
    assert (dict(run.where), run.account) == ({"secretsmanager": "http://127.0.0.1:1"}, False)
    assert run.environment()["AWS_ACCESS_KEY_ID"] == CREDENTIALS["AWS_ACCESS_KEY_ID"]
    assert named({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).where.keys() == set(SERVICES)


def environment(**more: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **more}


def test_an_account_is_asked_only_after_its_cost_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile alone brings the cost and no test."""
    with emulator() as url:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_STS": url, "AWS_DEFAULT_REGION": REGION}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        with pytest.raises(
            Unusable, match=r"(?s)account \d+, region eu-central-1.*less than .* USD.*YES=1 make stand-ins"
        ):
            named({"AWS_PROFILE": "mine"})
        assert named({"AWS_PROFILE": "mine", "YES": "1"}).account


def test_a_run_prints_its_table_and_leaves_nothing() -> None:
    """Another emulator stands in for SQS alone."""
    command = [sys.executable, "-m", "tests.stand_ins", "tests/contracts/test_queue.py", "-k", "poison or nothing_is"]
    with emulator() as url:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(AWS_ENDPOINT_URL_SQS=url),
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        left = boto3.client("sqs", endpoint_url=url, region_name=REGION, **keys).list_queues().get("QueueUrls", [])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestQueue                               sqs                  2     0     0" in done.stdout
    assert left == []


def test_what_a_stopped_run_left_is_found_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By prefix, alias and tag; what is others' stays."""
    with emulator() as url:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": REGION}.items():
            monkeypatch.setenv(name, value)
        for prefix in ("cf-mine-", "theirs-"):
            boto3.client("sqs").create_queue(QueueName=f"{prefix}q")
            boto3.client("secretsmanager").create_secret(Name=f"{prefix}s")
            tags = [{"TagKey": RUN_TAG, "TagValue": prefix}]
            boto3.client("kms").create_key(Tags=tags)
            named_key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
            boto3.client("kms").create_alias(AliasName=f"alias/{prefix}k", TargetKeyId=named_key)
            boto3.client("s3").create_bucket(
                Bucket=f"{prefix}b", CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            boto3.client("s3").put_object(Bucket=f"{prefix}b", Key="k", Body=b"")
            boto3.client("dynamodb").create_table(
                TableName=f"{prefix}t",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        told = clear("cf-mine-", frozenset(SERVICES))
        assert len(told) == 7, told
        assert all(each.endswith(": removed") for each in told)
        assert clear("cf-mine-", frozenset(SERVICES)) == []
        assert len(clear("theirs-", frozenset(SERVICES))) == 7
