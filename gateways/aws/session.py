"""Clients of AWS services: where they answer, how long they may take, and which of their errors pass by themselves."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's)
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
)

from core.ports.unavailable import Unavailable
from gateways.settings import Settings
from gateways.user_error import UserError

CONNECT_S: Final = 3
READ_S: Final = 15
"""Longer than the longest poll of a queue."""
TRIES_MAX: Final = 5
"""Per call, with botocore's exponential backoff and jitter; then the loop backs off."""
CONNECTIONS_MAX: Final = 32

SHUT_CODES: Final = frozenset(
    {
        "DependencyTimeoutException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "InternalServiceErrorException",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "OverLimit",
        "PurgeQueueInProgress",
        "AWS.SimpleQueueService.PurgeQueueInProgress",
    }
)
"""Errors that pass without anybody's help. All others are defects: a wrong name, a right that is missing."""
_UNREACHABLE: Final = (
    ConnectionError,
    HTTPClientError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,  # a machine's own come from a service of its own, which may be slow
)


class Aws:
    """Clients by service, one of each for a process; they are thread-safe. `prefix` stands before every name."""

    def __init__(self, settings: Settings) -> None:
        self.prefix: Final = settings.aws_prefix
        self._session = boto3.session.Session(region_name=settings.aws_region or None)
        self._endpoint = settings.aws_endpoint_url or None
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": TRIES_MAX},
            max_pool_connections=CONNECTIONS_MAX,
            tcp_keepalive=True,
            user_agent_appid=f"counterfoil-{multiprocessing.current_process().name}",  # CloudTrail shows who asked
        )
        try:
            return self._session.client(service, endpoint_url=self._endpoint, config=config)
        except NoRegionError as error:
            raise UserError("which AWS region is not said: set COUNTERFOIL_AWS_REGION") from error


def code_of(error: ClientError) -> str:
    """The service's own word for what went wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Raises Unavailable for an error that passes by itself; all others come through."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code_of(error) in SHUT_CODES or status >= 500:
            raise Unavailable(f"{what} refuses for now: {error}") from error
        raise
    except _UNREACHABLE as error:
        raise Unavailable(f"{what} cannot be reached: {error}") from error
