"""The seed of the deposit addresses: encrypted under a data key that only KMS can open, for the signers alone (I13).

The secret holds {seed_id, data_key, nonce, ciphertext}, of which nobody can make anything without kms:Decrypt on the wrapping
key. Its id, which stands in every derived key id, is that of the wrapping key it was made with, and stays when it is wrapped
anew: the addresses stay, too.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateways.aws.kms import Kms
from gateways.settings import Settings
from gateways.user_error import UserError

if TYPE_CHECKING:
    from gateways.aws.kms import Kms


SEED_BYTES: Final = 64
NONCE_BYTES: Final = 12
OLDER: Final = "older"
"""The field with the seeds before the newest, as JSON; absent where there was one only."""


class Seed(NamedTuple):
    """An unwrapped seed. It shows its id and nothing else."""

    seed_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Seed({self.seed_id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a seed is not pickled")


def make(kms: Kms, wrapping_key: str) -> dict[str, str]:
    """A new seed -> the secret's fields."""
    return _wrapped(kms, wrapping_key, "", secrets.token_bytes(SEED_BYTES))


def wrap_again(kms: Kms, wrapping_key: str, *seeds: Seed) -> dict[str, str]:
    """The same seeds, the newest first, under new data keys, perhaps of another wrapping key -> the secret's fields."""
    newest, *older = (_wrapped(kms, wrapping_key, each.seed_id, each.secret) for each in seeds)
    return newest | ({OLDER: msgspec.json.encode(older).decode()} if older else {})


def add(kms: Kms, wrapping_key: str, kept: Mapping[str, str], number: int) -> dict[str, str]:
    """Another seed, the n-th, in front of those that are kept -> the secret's fields. Nothing is unwrapped for it."""
    before = {name: value for name, value in kept.items() if name != OLDER}
    seed_id = f"{before['seed_id'].partition('/')[0]}/{number}"
    made = _wrapped(kms, wrapping_key, seed_id, secrets.token_bytes(SEED_BYTES))
    return made | {OLDER: msgspec.json.encode([before, *older_of(kept)]).decode()}


def older_of(kept: Mapping[str, str]) -> list[dict[str, str]]:
    """The seeds before the newest, each wrapped as it was made."""
    return msgspec.json.decode(kept.get(OLDER, "[]"), type=list[dict[str, str]])


def unwrap(kms: Kms, wrapping_key: str, kept: Mapping[str, str]) -> Seed:
    """Raises UserError for a secret that is none of ours or was changed."""
    try:
        seed_id = kept["seed_id"]
        data_key, nonce, ciphertext = (base64.b64decode(kept[name]) for name in ("data_key", "nonce", "ciphertext"))
        key = kms.unwrap(wrapping_key, data_key, _context(seed_id))
        return Seed(seed_id, AESGCM(key).decrypt(nonce, ciphertext, seed_id.encode()))
    except (KeyError, ValueError, InvalidTag) as error:
        raise UserError("the secret deposit-seed does not hold a wrapped seed: restore its last version") from error


def _wrapped(kms: Kms, wrapping_key: str, seed_id: str, seed: bytes) -> dict[str, str]:
    if not seed_id:
        seed_id, _, _ = kms.data_key(wrapping_key, _context(""))
    _, key, wrapped = kms.data_key(wrapping_key, _context(seed_id))
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, seed, seed_id.encode())
    kept = {"data_key": wrapped, "nonce": nonce, "ciphertext": ciphertext}
    return {"seed_id": seed_id, **{name: base64.b64encode(value).decode() for name, value in kept.items()}}


def _context(seed_id: str) -> dict[str, str]:
    """KMS logs it, and opens the data key under no other."""
    return {"counterfoil": "deposit-seed", "seed_id": seed_id or "new"}


def open_seeds(settings: Settings, kms: "Kms") -> list["Seed"]:
    """The seeds of the deposit addresses, unwrapped, the newest first."""
    from gateways.aws.names import FOR_SEED
    from gateways.aws.secrets import SecretStore
    from gateways.aws.session import Aws

    kept, key = SecretStore(Aws(settings)).fields(FOR_SEED), wrapping_key(settings)
    return [unwrap(kms, key, each) for each in (kept, *older_of(kept))]


def wrapping_key(settings: Settings) -> str:
    """The KMS key that wraps the seed, by id, ARN or alias."""
    from gateways.aws.names import SEED, key_alias

    return settings.seed_kms_key or key_alias(settings.aws_prefix, SEED)
