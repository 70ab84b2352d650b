"""A key for each address while KMS fails half-way: every key that was made is found again, and none is made twice."""

from collections.abc import Iterator
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from gateways.aws import session
from gateways.aws.kms import YOUNG_S, Kms
from gateways.aws.names import HOT, key_alias
from gateways.aws.session import Aws
from gateways.settings import Settings
from signers.keys.keys import KeyNotHeld
from signers.keys.kms import PREFIX, KmsKeys
from tests.support.aws import NAMED, REAL, made_keys, refusing


@pytest.fixture
def aws(aws_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    if REAL or NAMED:
        pytest.skip("nobody fails on command")
    monkeypatch.setattr(session, "TRIES_MAX", 1)
    services = Aws(aws_settings)
    with made_keys(services):
        yield services


def count(aws: Aws) -> int:
    pages = aws.client("kms").get_paginator("list_keys").paginate()
    return sum(len(page["Keys"]) for page in pages)


@pytest.mark.parametrize("operation", ["GetPublicKey", "CreateAlias"])
@pytest.mark.parametrize("code", ["NotFoundException", "ThrottlingException", "AccessDeniedException"])
def test_what_fails_behind_the_making_costs_one_key(aws: Aws, aws_url: str, operation: str, code: str) -> None:
    """However often it is tried, by this process or by one that was started anew."""
    before = count(aws)
    kms = Kms(aws)
    with refusing(aws_url, "kms", code, operation=operation):
        for _ in range(3):
            with pytest.raises(Unavailable):
                kms.make()
        with pytest.raises(Unavailable):
            Kms(aws).make()
    made = Kms(aws).make()
    assert count(aws) == before + 1
    assert [key_id for key_id, _ in Kms(aws).made()] == [made]


def test_a_key_whose_answer_was_lost_is_found_by_its_tag(aws: Aws) -> None:
    """It is used for the next address, and others' keys are not."""
    theirs = aws.client("kms").create_key(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms = Kms(aws)
    made: list[dict[str, Any]] = []

    def lose(parsed: dict[str, Any], **_: Any) -> None:
        made.append(parsed["KeyMetadata"])
        raise ConnectionResetError

    events = aws.client("kms").meta.events
    events.register("after-call.kms.CreateKey", lose)
    with pytest.raises(ConnectionResetError):
        kms.make()
    events.unregister("after-call.kms.CreateKey", lose)
    assert kms.make() == PREFIX + made[0]["KeyId"]
    assert kms.make() != PREFIX + made[0]["KeyId"]
    assert theirs not in {key_id.removeprefix(PREFIX) for key_id, _ in kms.made()}


def test_a_key_that_is_to_be_deleted_is_no_address(aws: Aws) -> None:
    """Nor one that somebody has disabled: another is made."""
    kms, client = Kms(aws), aws.client("kms")
    for spoil in (
        lambda key_id: client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7),
        lambda key_id: client.disable_key(KeyId=key_id),
    ):
        spoiled = kms._create()
        spoil(spoiled)
        assert Kms(aws).make() != PREFIX + spoiled


def test_not_found_is_a_wait_while_the_key_is_young(aws: Aws, aws_url: str) -> None:
    """Five minutes later a key that is not there is not there."""
    now_s = 0.0
    kms = Kms(aws, monotonic=lambda: now_s)
    key_id = kms.make()
    with refusing(aws_url, "kms", "NotFoundException", operation="GetPublicKey"):
        with pytest.raises(Unavailable, match=r"does not know the key .* yet"):
            KmsKeys(kms).key(key_id)
        with pytest.raises(KeyNotHeld):
            kms.key_id(key_alias(aws.prefix, HOT))
        now_s = YOUNG_S + 1
        with pytest.raises(KeyNotHeld):
            KmsKeys(kms).key(key_id)
    assert KmsKeys(kms).key(key_id).address


@pytest.mark.parametrize(
    ("state", "code"), [("disabled", "DisabledException"), ("deleted", "KMSInvalidStateException")]
)
def test_a_key_that_cannot_be_used_is_waited_for_and_heals(aws: Aws, state: str, code: str) -> None:
    """Disabled, or to be deleted in a week: it signs again as soon as somebody has put it right."""
    kms, client, name = Kms(aws), aws.client("kms"), key_alias(aws.prefix, HOT)
    key_id = kms.key_id(name)
    if state == "disabled":
        client.disable_key(KeyId=key_id)
    else:
        client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    with pytest.raises(Unavailable, match=rf"{code}.*enable it in KMS, or cancel its deletion"):
        kms.sign_digest(name, b"\1" * 32)
    if state == "deleted":
        client.cancel_key_deletion(KeyId=key_id)
    client.enable_key(KeyId=key_id)
    assert kms.sign_digest(name, b"\1" * 32)
