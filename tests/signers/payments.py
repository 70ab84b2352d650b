"""The canonical payment of the signers' tests: one owner, one payee, one amount, one block; test keys only."""

from typing import Final

from core.tron.address import USDT_MAINNET, Address
from core.tron.chain import BlockRef
from signers.keys.keys import SoftwareKey
from signers.transactions.build import (
    DelegateResource,
    Envelope,
    FreezeBalance,
    Intent,
    Trc20Transfer,
    TrxTransfer,
    UndelegateResource,
    UnfreezeBalance,
    WithdrawUnfrozen,
    envelope_for,
)
from signers.transactions.signer import Limits

KEY: Final = SoftwareKey(bytes([1]) * 32)
USDT: Final = Address.from_base58(USDT_MAINNET)
PAYEE: Final = Address.from_base58("TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw")
STRANGER: Final = Address.from_base58("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC")
CHAIN_TIME_MS: Final = 1_767_246_195_000
LIFETIME_MS: Final = 60_000
FEE_LIMIT_SUN: Final = 15_000_000
BLOCK: Final = BlockRef(78_861_075, f"{78_861_075:016x}" + "46a60be20a563ff1" + "0c" * 16, "00" * 32, CHAIN_TIME_MS)
PAYOUT: Final = Trc20Transfer(owner=KEY.address, contract=USDT, to=PAYEE, amount=12_500_000)
ACTIVATION: Final = TrxTransfer(owner=KEY.address, to=PAYEE, amount_sun=1)
STAKING: Final[tuple[Intent, ...]] = (
    FreezeBalance(owner=KEY.address, amount_sun=5_825_000_000, resource="ENERGY"),
    UnfreezeBalance(owner=KEY.address, amount_sun=5_825_000_000, resource="BANDWIDTH"),
    WithdrawUnfrozen(owner=KEY.address),
    DelegateResource(owner=KEY.address, receiver=PAYEE, stake_sun=5_825_000_000, resource="ENERGY"),
    UndelegateResource(owner=KEY.address, receiver=PAYEE, stake_sun=5_825_000_000, resource="ENERGY"),
)
LIMITS: Final = Limits(
    token=USDT, chain_time_ms=CHAIN_TIME_MS, lifetime_ms_max=LIFETIME_MS, fee_limit_sun_max=16_000_000
)


def envelope(payment: int = 7, attempt: int = 0, *, fee_limit_sun: int = FEE_LIMIT_SUN) -> Envelope:
    return envelope_for(
        payment.to_bytes(16, "big"),
        attempt,
        BLOCK,
        chain_time_ms=CHAIN_TIME_MS,
        lifetime_ms=LIFETIME_MS,
        fee_limit_sun=fee_limit_sun,
    )
