"""Credentials that come late are asked for again: no client is without them for its whole life."""

import datetime

import pytest
from botocore.credentials import Credentials

from core.ports.unavailable import Unavailable
from gateways.aws.session import Aws
from gateways.settings import load
from tests.support.aws import REGION

pytestmark = pytest.mark.fast


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    return Aws(load({}, mode="aws", aws_region=REGION))


def test_a_client_is_made_when_there_are_credentials(without_credentials: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then it is waited for; what is made then signs."""
    aws = without_credentials
    for _ in range(2):
        with pytest.raises(Unavailable, match="no credentials are at hand yet"):
            aws.client("sqs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "late")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "late")
    client = aws.client("sqs")
    url = client.generate_presigned_url("list_queues")
    assert "late" in url
    assert aws.client("sqs") is client


def test_credentials_that_run_out_are_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role's are good for some hours: the client asks for the next ones by itself."""
    from botocore.credentials import RefreshableCredentials

    asked: list[str] = []

    def fetch() -> dict[str, str]:
        asked.append("")
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1 if len(asked) == 1 else 3_600)
        return {
            "access_key": f"key{len(asked)}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": soon.isoformat(),
        }

    aws = Aws(load({}, mode="aws", aws_region=REGION))
    fetched = RefreshableCredentials.create_from_metadata(fetch(), fetch, "of the test")
    assert isinstance(fetched, Credentials)
    monkeypatch.setattr(aws._session._session, "_credentials", fetched)
    assert "key2" in aws.client("sqs").generate_presigned_url("list_queues")
