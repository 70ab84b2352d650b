"""KMS as the signers know it: public keys, signatures over digests, new keys for deposit addresses, and an unwrapped seed."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from core.ports.unavailable import Unavailable
from core.tron.address import Address, InvalidAddress
from gateways.aws.names import key_alias, payin_alias
from gateways.aws.outages import code_of, reaching
from gateways.aws.session import Aws
from signers.keys.keys import KeyNotHeld
from signers.keys.kms import PREFIX, KmsKey

_NO_KEY: Final = "NotFoundException"
_NAMED: Final = "AlreadyExistsException"
WALLET_KEY: Final = {"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY"}
TAG: Final = "counterfoil"
"""Of a deposit address's own key, whose value says of which installation: by it a key is found that has no alias yet."""
YOUNG_S: Final = 300.0
"""KMS may not know a key for so long after it was made: it is eventually consistent."""


class Kms:
    """The ports `KeyService` and `KeyMaker`. A name is a key's id, ARN or alias; an id is the key's own."""

    def __init__(self, aws: Aws, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._kms = aws.client("kms")
        self._prefix = aws.prefix
        self._monotonic = monotonic
        self._young: dict[str, float] = {}
        """Since when keys are known that were made or listed of late."""
        self._unfinished: list[str] | None = None
        """Keys that were made and have no alias yet; None: they have to be looked for."""

    def key_id(self, name: str) -> str:
        """The id behind a name."""
        return id_of(self._ask(name, self._kms.get_public_key, KeyId=name)["KeyId"])

    def public_key(self, key_id: str) -> bytes:
        return bytes(self._ask(key_id, self._kms.get_public_key, KeyId=key_id)["PublicKey"])

    def sign_digest(self, key_id: str, digest: bytes) -> bytes:
        """MessageType DIGEST: anything else would be hashed once more."""
        answer = self._ask(
            key_id,
            self._kms.sign,
            KeyId=key_id,
            Message=digest,
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        return bytes(answer["Signature"])

    def data_key(self, name: str, context: Mapping[str, str]) -> tuple[str, bytes, bytes]:
        """A new 256-bit key from the wrapping key -> (the wrapping key's id, the key, the key as only KMS can read it)."""
        answer = self._ask(
            name, self._kms.generate_data_key, KeyId=name, KeySpec="AES_256", EncryptionContext=dict(context)
        )
        return id_of(answer["KeyId"]), bytes(answer["Plaintext"]), bytes(answer["CiphertextBlob"])

    def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """What `data_key` made under this wrapping key and in this context. Raises ValueError for anything else."""
        given = {"KeyId": name, "CiphertextBlob": wrapped, "EncryptionContext": dict(context)}
        try:
            return bytes(self._ask(name, self._kms.decrypt, **given)["Plaintext"])
        except ClientError as error:
            if code_of(error) in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise ValueError("KMS cannot read this") from error
            raise

    def make(self) -> str:
        """A key, then its alias, which its address is part of. What an earlier try left without an alias is taken first:
        every key costs for as long as it is there. Raises Unavailable.
        """
        if self._unfinished is None:
            self._unfinished = list(self._without_alias())
        if not self._unfinished:
            self._unfinished = None  # an answer that is lost leaves a key, too
            self._unfinished = [self._create()]
        key_id = self._unfinished[0]
        self._young[key_id] = self._monotonic()
        address = KmsKey(self, key_id).address
        try:
            with reaching("KMS", _NAMED, _NO_KEY):
                self._kms.create_alias(AliasName=payin_alias(self._prefix, address.base58), TargetKeyId=key_id)
        except ClientError as error:
            if code_of(error) == _NO_KEY:
                raise _not_yet(key_id) from error
            if code_of(error) != _NAMED:  # else the answer to an earlier try was lost
                raise
        self._unfinished.remove(key_id)
        return PREFIX + key_id

    def _create(self) -> str:
        tags = [{"TagKey": TAG, "TagValue": self._tag}]
        with reaching("KMS"):
            made = self._kms.create_key(**WALLET_KEY, Description="One deposit address of Counterfoil", Tags=tags)
        return str(made["KeyMetadata"]["KeyId"])

    @property
    def _tag(self) -> str:
        return f"{self._prefix}payin"

    def _without_alias(self) -> Iterator[str]:
        """Keys with our tag that can sign and have no alias."""
        with reaching("KMS"):
            named = {it.get("TargetKeyId") for page in self._pages("list_aliases") for it in page["Aliases"]}
            for page in self._pages("list_keys"):
                for key_id in (it["KeyId"] for it in page["Keys"] if it["KeyId"] not in named):
                    if self._is_ours(key_id):
                        yield key_id

    def _pages(self, operation: str) -> Iterator[dict[str, Any]]:
        return iter(self._kms.get_paginator(operation).paginate())

    def _is_ours(self, key_id: str) -> bool:
        """Somebody else's key may be hidden from us."""
        try:
            tags = self._kms.list_resource_tags(KeyId=key_id).get("Tags", ())
            if {"TagKey": TAG, "TagValue": self._tag} not in tags:
                return False
            return bool(self._kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled")
        except ClientError as error:
            if code_of(error) not in ("AccessDeniedException", _NO_KEY):
                raise
            return False

    def made(self) -> Iterator[tuple[str, Address]]:
        """By their aliases. What is called so by somebody else has no address for a name, or another one than its key."""
        before = key_alias(self._prefix, "payin-")
        marker: dict[str, str] = {}
        while True:
            with reaching("KMS"):
                page = self._kms.list_aliases(**marker)
            for alias in page["Aliases"]:
                name, key_id = alias["AliasName"], alias.get("TargetKeyId")
                if name.startswith(before) and key_id:
                    self._young.setdefault(key_id, self._monotonic())
                    try:
                        yield PREFIX + key_id, Address.from_base58(name.removeprefix(before))
                    except InvalidAddress:
                        continue
            if not page.get("Truncated"):
                return
            marker = {"Marker": page["NextMarker"]}

    def _ask(self, name: str, operation: Any, **given: Any) -> Any:
        try:
            with reaching(f"the key {name} in KMS", _NO_KEY):
                return operation(**given)
        except ClientError as error:
            if code_of(error) == _NO_KEY:
                if self._monotonic() - self._young.get(name, -YOUNG_S) < YOUNG_S:
                    raise _not_yet(name) from error
                raise KeyNotHeld(
                    f"there is no key {name} in KMS: terraform makes it; AWS_REGION or AWS_PREFIX may differ"
                ) from error
            raise


def _not_yet(key_id: str) -> Unavailable:
    return Unavailable(f"KMS does not know the key {key_id} yet, which was made a moment ago: it is asked again")


def id_of(arn: str) -> str:
    """The last part of a key's ARN."""
    return arn.rpartition("/")[2]
