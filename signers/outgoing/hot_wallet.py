"""What the hot wallet can pay now, and the bytes of a payment from it."""

from typing import Final, Self

import msgspec

from core.ports.chain import Chain
from core.ports.unavailable import Unavailable
from core.ports.wallets import AddressPool
from core.streams.attempts import Attempt
from core.tron.address import ZERO_ADDRESS, Address, InvalidAddress
from core.tron.chain import BlockRef
from signers.outgoing.funds import Funds, InFlight, Prices, Shortage, TransferRefused
from signers.outgoing.trials import TokenRefuses, trial_of
from signers.transactions.abi import is_blacklisted_call, read_bool
from signers.transactions.build import (
    FeeAboveCeiling,
    Intent,
    Trc20Transfer,
    bandwidth_bytes,
    envelope_for,
    fee_limit_for,
)
from signers.transactions.intents import attempt_of

LIFE_MS_MIN: Final = 30_000
"""Shorter than this, before a maintenance, nothing is built: ten slots are a fair chance to be mined."""
KEPT_MINOR: Final = 1
"""What no payment takes: as long as the wallet holds a unit of the token, sweeps into it cost half (TRON.md 12.36)."""


class PayoutRules(msgspec.Struct, frozen=True, kw_only=True):
    """How payouts are made. Everything in chain time and sun."""

    lifetime_ms: int = 120_000
    """How long an attempt's bytes may be mined: short, because nothing else may be tried before (FAILURES 21)."""
    fee_limit_sun_max: int = 60_000_000
    fee_margin_percent: int = 20
    """On the most energy that the transfer can take: the price may change before the block."""
    attempts_max: int = 20
    """After so many attempts, each proven dead, the payout fails and the client has its coins back."""
    contract_payees: bool = True
    """Exchanges' and companies' wallets are often contracts, and the token books a contract like any holder."""


class HotWallet:
    """The wallet at one look: the chain's prices, and the wallet's funds less what is in flight."""

    def __init__(
        self,
        node: Chain,
        pool: AddressPool,
        address: Address,
        token: Address,
        rules: PayoutRules,
        funds: Funds,
        maintenance_ms: int,
    ) -> None:
        self._node = node
        self._pool = pool
        self.address: Final = address
        self.token: Final = token
        self._rules = rules
        self._funds = funds
        self._maintenance_ms = maintenance_ms

    @classmethod
    def look(
        cls,
        node: Chain,
        pool: AddressPool,
        address: Address,
        token: Address,
        rules: PayoutRules,
        in_flight: InFlight,
        *,
        kept_minor: int = KEPT_MINOR,
    ) -> Self:
        """Read prices and funds. Raises Unavailable."""
        funds = Funds.look(node, address, token, Prices.of(node), in_flight, kept_minor=kept_minor)
        return cls(node, pool, address, token, rules, funds, node.next_maintenance_ms())

    @property
    def free_minor(self) -> int:
        """USDT that payments may take, beside what is in flight."""
        return self._funds.usdt_minor - self._funds.kept_minor

    def unpayable(self, to_address: str) -> str | None:
        """Why this payee cannot be paid at all, as a failure code. Raises Unavailable if the token does not say."""
        try:
            payee = Address.from_base58(to_address)
        except InvalidAddress:
            return "invalid_address"
        if payee in (ZERO_ADDRESS, self.token, self.address):
            return "address_not_payable"
        # A client's deposit address is a payee like any other: a refusal would tell whose it is (I12).
        if self._pool.ours([payee.evm]).get(payee.evm, "payin") != "payin":
            return "address_not_payable"
        # The token lets a blacklisted payee receive, and never lets the coins go again (TRON.md 4.6).
        # Pending or not: only the token's owner can make it so, and at worst the client gets its coins back.
        answer = self._node.call(self.address, self.token, is_blacklisted_call(payee))
        blacklisted = None if answer.reverted else read_bool(answer.returned)
        if blacklisted is None:
            raise Unavailable(f"the token {self.token} does not say whether {payee} is blacklisted: {answer.message}")
        if blacklisted:
            return "payee_blacklisted"
        if not self._rules.contract_payees:
            account = self._node.account(payee)
            if account is not None and account.is_contract:
                return "payee_is_contract"
        return None

    def life_ms(self, head: BlockRef) -> int:
        """How long what is built now may be mined: never beyond the next maintenance.

        Voted prices and new energy factors count from the block behind it on, and a block takes only what had not expired
        with its parent: so no change of either meets bytes that were built before it (FAILURES 44).
        """
        return min(self._rules.lifetime_ms, self._maintenance_ms - head.timestamp_ms)

    def attempt(
        self, name: bytes, intent: Intent, number: int, head: BlockRef, solid: BlockRef, *, permission_id: int = 0
    ) -> Attempt:
        """Build the bytes of an order (its 16-byte id), and set their cost aside. Raises Shortage."""
        envelope = envelope_for(
            name,
            number,
            solid,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms=self.life_ms(head),
            fee_limit_sun=self._fee_limit_sun(intent) if isinstance(intent, Trc20Transfer) else 0,
            permission_id=permission_id,
        )
        attempt = attempt_of(intent, envelope, number)
        self._funds.set_aside(intent, envelope.fee_limit_sun, bandwidth_bytes(bytes.fromhex(attempt.raw_data)))
        self._funds.check()
        return attempt

    def _fee_limit_sun(self, intent: Trc20Transfer) -> int:
        """What this transfer costs at the most, penalty included, whatever its payee does meanwhile (FAILURES 16, 17, 74).

        All of it is set aside, too: less would leave the wallet without energy for payees that empty theirs in time. What
        is not burned is there again one solid receipt later.
        """
        prices, owner, token = self._funds.prices, self.address, self.token
        try:
            trial = trial_of(self._node, prices, owner, token, intent.to, intent.amount, beyond_maintenance=False)
            return fee_limit_for(
                trial.energy_most,
                prices.energy_sun,
                margin_percent=self._rules.fee_margin_percent,
                ceiling_sun=self._rules.fee_limit_sun_max,
            )
        except TokenRefuses as error:
            raise TransferRefused(f"the token refuses the transfer now: {error}") from error
        except FeeAboveCeiling as error:
            raise Shortage(f"the fee ceiling is too low: {error}") from error
