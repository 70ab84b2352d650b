"""Clients of AWS services: where they answer, and how long they may take."""

import multiprocessing
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from core.ports.unavailable import Unavailable
from gateways.settings import Settings
from gateways.user_error import UserError

CONNECT_S: Final = 3
READ_S: Final = 15
POLL_READ_S: Final = 35
"""Of queues, whose answers may be waited for: longer than the longest poll."""
TRIES_MAX: Final = 5
"""Per call, with botocore's exponential backoff and jitter; then the loop backs off."""
CONNECTIONS_MAX: Final = 32


class Aws:
    """Clients by service, one of each for a process; they are thread-safe. `prefix` stands before every name."""

    def __init__(self, settings: Settings) -> None:
        self.prefix: Final = settings.aws_prefix
        self._session = boto3.session.Session(region_name=settings.aws_region or None)
        self._endpoint = settings.aws_endpoint_url or None
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        """Raises Unavailable without credentials: a client that was made without any would have none for its whole life."""
        if self._session.region_name and self._session.get_credentials() is None:
            raise Unavailable(
                "AWS: no credentials are at hand yet: this machine's metadata service is slow, it has no role, or"
                " AWS_ACCESS_KEY_ID is not set"
            )
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=POLL_READ_S if service == "sqs" else READ_S,
            retries={"mode": "standard", "total_max_attempts": TRIES_MAX},
            max_pool_connections=CONNECTIONS_MAX,
            tcp_keepalive=True,
            user_agent_appid=f"counterfoil-{multiprocessing.current_process().name}",  # CloudTrail shows who asked
        )
        try:
            return self._session.client(service, endpoint_url=self._endpoint, config=config)
        except NoRegionError as error:
            raise UserError("which AWS region is not said: set COUNTERFOIL_AWS_REGION") from error
