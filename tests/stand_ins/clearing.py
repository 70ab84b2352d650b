"""What a run made and did not remove, because it was stopped: found by its prefix, and removed."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.aws import RUN_TAG


def clear(prefix: str, services: frozenset[str]) -> list[str]:
    """-> what was there and is gone, or could not be removed and why."""
    told: list[str] = []
    for service in sorted(services):
        client = boto3.client(service)
        try:
            for what, remove in FOUND[service](client, prefix):
                told.append(f"{service} {what}: {_removed(remove)}")
        except (BotoCoreError, ClientError) as error:
            told.append(f"{service} cannot be looked through: {error}")
    return told


def _removed(remove: Callable[[], Any]) -> str:
    try:
        remove()
    except (BotoCoreError, ClientError) as error:
        return f"NOT removed: {error}"
    return "removed"


Found = Iterator[tuple[str, Callable[[], Any]]]


def queues(sqs: Any, prefix: str) -> Found:
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix):
        for url in page.get("QueueUrls", ()):
            yield url, lambda url=url: sqs.delete_queue(QueueUrl=url)


def tables(dynamodb: Any, prefix: str) -> Found:
    for page in dynamodb.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            if name.startswith(prefix):
                yield name, lambda name=name: dynamodb.delete_table(TableName=name)


def keys(kms: Any, prefix: str) -> Found:
    """By the alias or by the run's tag; a key that is to be deleted already is no leftover."""
    aliases = [alias for page in kms.get_paginator("list_aliases").paginate() for alias in page["Aliases"]]
    ours = {alias["TargetKeyId"] for alias in aliases if _is_ours(alias, prefix)}
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            key_id = key["KeyId"]
            state = kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
            if state != "PendingDeletion" and (key_id in ours or _is_tagged(kms, key_id, prefix)):
                yield key_id, lambda key_id=key_id: kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    for alias in aliases:
        if _is_ours(alias, prefix):
            yield alias["AliasName"], lambda alias=alias: kms.delete_alias(AliasName=alias["AliasName"])


def _is_ours(alias: dict[str, Any], prefix: str) -> bool:
    return bool(alias["AliasName"].startswith(f"alias/{prefix}") and alias.get("TargetKeyId"))


def _is_tagged(kms: Any, key_id: str, prefix: str) -> bool:
    try:
        tags = kms.list_resource_tags(KeyId=key_id).get("Tags", ())
    except ClientError:  # somebody else's, which we may not look at
        return False
    return {"TagKey": RUN_TAG, "TagValue": prefix} in tags


def secrets(manager: Any, prefix: str) -> Found:
    for page in manager.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            if secret["Name"].startswith(prefix) and "DeletedDate" not in secret:
                name = secret["Name"]
                yield name, lambda name=name: manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def buckets(s3: Any, prefix: str) -> Found:
    for bucket in s3.list_buckets()["Buckets"]:
        if bucket["Name"].startswith(prefix):
            yield bucket["Name"], lambda name=bucket["Name"]: _emptied_and_removed(s3, name)


def _emptied_and_removed(s3: Any, name: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=name)


FOUND: dict[str, Callable[[Any, str], Found]] = {
    "dynamodb": tables,
    "kms": keys,
    "s3": buckets,
    "secretsmanager": secrets,
    "sqs": queues,
}
