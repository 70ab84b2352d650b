"""KMS over HTTP: wallet keys, deposit keys of their own, and the seed that only KMS opens."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.ports.unavailable import Unavailable
from core.tron.secp256k1 import CURVE_ORDER, address_of, sha256
from gateways.aws import seed, session
from gateways.aws.kms import Kms
from gateways.aws.names import HOT, SEED, key_alias, payin_alias
from gateways.aws.session import Aws
from gateways.settings import Settings, load
from gateways.user_error import UserError
from signers.keys.derivation import deposit_path
from signers.keys.keys import KeyNotHeld
from signers.keys.kms import KmsKey, KmsKeys, UnfitKey, point_of
from tests.support.aws import CREDENTIALS, REGION, made_key, made_keys
from tests.support.curve import recovered
from tests.support.http_server import Answered, Asked, serving

pytestmark = pytest.mark.asks("kms")


@pytest.fixture
def aws(aws_settings: Settings) -> Iterator[Aws]:
    services = Aws(aws_settings)
    with made_keys(services):
        yield services


def test_a_wallets_signature_is_proven_by_others(aws: Aws) -> None:
    """Twenty signatures of the hot wallet: each recovers, by arithmetic of its own, to the key that KMS shows."""
    kms = Kms(aws)
    key_id = kms.key_id(key_alias(aws.prefix, HOT))
    key = KmsKeys(kms).key(f"kms:{key_id}")
    point = point_of(kms.public_key(key_id))
    assert key.address == address_of(point)
    for number in range(20):
        digest = sha256(f"raw_data {number}".encode())
        signature = key.sign_digest(digest)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        assert s <= CURVE_ORDER // 2
        assert recovered(digest, r, s)[signature[64]] == point


def test_a_key_for_each_address_is_found_by_its_alias(aws: Aws) -> None:
    """Each is made with an alias of its address; strangers' aliases are no addresses of ours."""
    kms = Kms(aws)
    made = {kms.make() for _ in range(3)}
    aws.client("kms").create_alias(
        AliasName=payin_alias(aws.prefix, "nonsense"), TargetKeyId=kms.key_id(key_alias(aws.prefix, HOT))
    )
    assert {key_id for key_id, _ in kms.made()} == made
    for key_id, address in kms.made():
        assert KmsKeys(kms).key(key_id).address == address


def test_a_seed_is_opened_by_its_wrapping_key_alone(aws: Aws) -> None:
    """What the secret holds opens to the same seed each time; changed, or of another seed's name, it does not."""
    kms, alias = Kms(aws), key_alias(aws.prefix, SEED)
    kept = seed.make(kms, alias)
    opened = seed.unwrap(kms, alias, kept)
    assert opened == seed.unwrap(kms, alias, kept)
    assert len(opened.secret) == 64
    assert opened.seed_id in kms._kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
    assert opened.secret.hex() not in f"{opened!r}"
    for name in kept:
        damaged = {**kept, name: seed.make(kms, alias)[name] if name != "seed_id" else "another"}
        with pytest.raises(UserError, match="deposit-seed"):
            seed.unwrap(kms, alias, damaged)
    with pytest.raises(UserError, match="deposit-seed"):
        seed.unwrap(kms, alias, {})


def test_a_seed_that_is_wrapped_anew_has_the_same_addresses(aws: Aws) -> None:
    """Under another wrapping key, too: its name in every key id stays."""
    kms, alias = Kms(aws), key_alias(aws.prefix, SEED)
    opened = seed.unwrap(kms, alias, seed.make(kms, alias))
    with made_key(aws) as other:
        kept = seed.wrap_again(kms, other, opened)
        again = seed.unwrap(kms, other, kept)
    assert again == opened
    key_id = f"kms:{opened.seed_id}:{deposit_path(3)}"
    assert KmsKeys(kms, *again).key(key_id).address == KmsKeys(kms, *opened).key(key_id).address


def test_a_key_that_is_not_there_is_a_sentence(aws: Aws) -> None:
    """Terraform was not run, or the region or the prefix is another one."""
    kms = Kms(aws)
    for name in (key_alias(aws.prefix, "nobody"), "1234abcd-12ab-34cd-56ef-1234567890ab"):
        with pytest.raises(KeyNotHeld, match=f"there is no key {name}"):
            kms.public_key(name)


def test_a_key_of_another_kind_is_no_wallet(aws: Aws) -> None:
    """A key on another curve is refused before anything is asked of it."""
    with made_key(aws, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY") as other, pytest.raises(UnfitKey):
        KmsKey(Kms(aws), other)


# A service that is busy


@pytest.mark.fast
@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("KMSInternalException", 500), ("DependencyTimeoutException", 503)],
)
def test_throttling_is_tried_again_and_then_a_shut_door(
    monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    """botocore tries again with jitter, as often as it was told; then the loop backs off."""
    monkeypatch.setattr(session, "TRIES_MAX", 2)
    with failing(monkeypatch, code, status) as server:
        kms = Kms(Aws(load({}, mode="aws", aws_endpoint_url=server.url, aws_region=REGION)))
        with pytest.raises(Unavailable, match=code):
            kms.sign_digest("k", sha256(b""))
        assert len(server.asked) == 2


@pytest.mark.fast
@pytest.mark.parametrize("code", ["DisabledException", "KMSInvalidStateException", "AccessDeniedException"])
def test_a_key_that_may_not_be_used_is_waited_for(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A disabled key, or one that is to be deleted: somebody enables it, and no process needs a hand."""
    with failing(monkeypatch, code) as server:
        kms = Kms(Aws(load({}, mode="aws", aws_endpoint_url=server.url, aws_region=REGION)))
        with pytest.raises(Unavailable, match=code):
            kms.sign_digest("k", sha256(b""))


def failing(monkeypatch: pytest.MonkeyPatch, code: str, status: int = 400) -> Any:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    body = msgspec.json.encode({"__type": code, "message": "of the test"})

    def answer(_: Asked) -> Answered:
        return Answered(status, body, {"content-type": "application/x-amz-json-1.1"})

    return serving(answer)


@pytest.mark.fast
def test_what_is_signed_is_told_to_be_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else would be hashed a second time."""
    with failing(monkeypatch, "DisabledException") as server:
        kms = Kms(Aws(load({}, mode="aws", aws_endpoint_url=server.url, aws_region=REGION)))
        with pytest.raises(Exception, match="DisabledException"):
            kms.sign_digest("k", sha256(b""))
        asked = msgspec.json.decode(server.asked[0].body)
    assert (asked["MessageType"], asked["SigningAlgorithm"]) == ("DIGEST", "ECDSA_SHA_256")
