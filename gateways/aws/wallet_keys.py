"""The keys that an operator has made in KMS for wallets that get another one."""

from collections.abc import Callable

from core.streams.wallet.rotation import RotatedRole
from gateways.aws.kms import Kms
from signers.keys.keys import KeyNotHeld
from signers.keys.kms import PREFIX, KmsKeys


class NamedKeys:
    """The port `WalletKeyMaker` on AWS: nothing is made here, Terraform makes keys."""

    def __init__(self, opening: Callable[[], Kms]) -> None:
        self._opening = opening

    def make(self, role: RotatedRole, number: int, wished: str) -> str:  # noqa: ARG002 (the port's)
        """Raises Unavailable, KeyNotHeld."""
        if not wished:
            raise KeyNotHeld("on AWS another key has to be named: ask again with --kms and its id, ARN or alias")
        return PREFIX + self._opening().key_id(wished)


class PutSeed:
    """The port `SeedMaker` on AWS: `counterfoil addresses rotate-seed` makes it, and processes read it when they start."""

    def __init__(self, keys: KmsKeys) -> None:
        self._keys = keys

    def make_seed(self, number: int) -> str | None:
        """None until this process was started anew with it."""
        prefix = self._keys.derived_prefix
        return prefix if prefix.endswith(f"/{number}:") else None
