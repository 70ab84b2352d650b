"""Checkpoints on AWS: objects in a bucket whose lock lets nobody take them back.

An object is written only where none stands, so nothing is hidden under a newer version either.
"""

from collections.abc import Iterator
from typing import Final

from botocore.exceptions import ClientError

from core.proofs.checkpoints import ArchiveConflict
from gateways.aws.outages import code_of, reaching
from gateways.aws.session import Aws

_FOLDER: Final = "checkpoints/"
_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict")
_ABSENT: Final = "NoSuchKey"
_BUCKET: Final = "the checkpoints' bucket"


class S3Archive:
    """The port `CheckpointArchive`: checkpoints/000000000017.json."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._s3 = aws.client("s3")
        self._bucket = bucket

    def put(self, number: int, content: bytes) -> None:
        key = _key(number)
        try:
            with reaching(_BUCKET, *_TAKEN):
                self._s3.put_object(
                    Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*", ContentType="application/json"
                )
        except ClientError as error:
            if code_of(error) not in _TAKEN:
                raise
            if self._get(key) != content:
                raise ArchiveConflict(f"{key} holds another checkpoint than this database") from None

    def get(self, number: int) -> bytes | None:
        try:
            with reaching(_BUCKET, _ABSENT):
                return bytes(self._s3.get_object(Bucket=self._bucket, Key=_key(number))["Body"].read())
        except ClientError as error:
            if code_of(error) != _ABSENT:
                raise
            return None

    def contents(self) -> Iterator[tuple[int, bytes]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=_FOLDER)
        with reaching(_BUCKET):
            for page in pages:
                for listed in page.get("Contents", ()):
                    number = listed["Key"].removeprefix(_FOLDER).removesuffix(".json")
                    if number.isdigit():
                        yield int(number), self._get(listed["Key"])

    def _get(self, key: str) -> bytes:
        with reaching(_BUCKET):
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())


def _key(number: int) -> str:
    return f"{_FOLDER}{number:012d}.json"
