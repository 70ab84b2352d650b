"""KMS as the signers know it: public keys, signatures over digests, new keys for deposit addresses, and an unwrapped seed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from core.tron.address import Address, InvalidAddress
from gateways.aws.names import key_alias, payin_alias
from gateways.aws.outages import code_of, reaching
from gateways.aws.session import Aws
from signers.keys.keys import KeyNotHeld
from signers.keys.kms import PREFIX, KmsKey

_NO_KEY: Final = "NotFoundException"
WALLET_KEY: Final = {"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY"}


class Kms:
    """The ports `KeyService` and `KeyMaker`. A name is a key's id, ARN or alias; an id is the key's own."""

    def __init__(self, aws: Aws) -> None:
        self._kms = aws.client("kms")
        self._prefix = aws.prefix

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
        """A key, then its alias, which its address is part of: an alias is never without its key."""
        with reaching("KMS"):
            made = self._kms.create_key(**WALLET_KEY, Description="One deposit address of Counterfoil")["KeyMetadata"]
        address = KmsKey(self, made["KeyId"]).address
        with reaching("KMS"):
            self._kms.create_alias(AliasName=payin_alias(self._prefix, address.base58), TargetKeyId=made["KeyId"])
        return PREFIX + str(made["KeyId"])

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
                raise KeyNotHeld(
                    f"there is no key {name} in KMS: terraform makes it; AWS_REGION or AWS_PREFIX may differ"
                ) from error
            raise


def id_of(arn: str) -> str:
    """The last part of a key's ARN."""
    return arn.rpartition("/")[2]
