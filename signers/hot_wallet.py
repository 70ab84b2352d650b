"""What the hot wallet can pay now, and the bytes of a payment from it.

Tron has no nonce: every signed transfer executes if the balance allows (TRON.md 12.43). So what attempts in flight may
still take is set aside before the next one is built, in USDT, energy and TRX alike.
"""

from collections.abc import Iterable
from typing import Self
from uuid import UUID

import msgspec

from core.attempts import Attempt, PayoutOrder
from core.chain import AccountResources, BlockRef
from core.money import format_amount
from core.ports import AddressPool, Node, Unavailable
from core.transactions import txid_of
from core.tron import ZERO_ADDRESS, Address, InvalidAddress
from signers.abi import balance_of_call, is_blacklisted_call, read_bool, read_uint256, transfer_call
from signers.transactions import (
    Envelope,
    FeeAboveCeiling,
    Trc20Transfer,
    bandwidth_bytes,
    build,
    burn_sun,
    envelope_for,
    fee_limit_for,
)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How payouts are made. Everything in chain time and sun."""

    lifetime_ms: int = 120_000
    """How long an attempt's bytes may be mined: short, because nothing else may be tried before (FAILURES 21)."""
    fee_limit_sun_max: int = 60_000_000
    fee_margin_percent: int = 20
    """On the energy that the trial call used: prices and the payee's balance may change before the block."""
    attempts_max: int = 20
    """After so many attempts, each proven dead, the payout fails and the client has its coins back."""
    contract_payees: bool = True
    """Exchanges' and companies' wallets are often contracts, and the token books a contract like any holder."""


class WalletHijacked(Exception):
    """Another key may sign for the hot wallet: signing stops until a person has looked (FAILURES 22)."""


class Shortage(Exception):
    """The hot wallet cannot make this payment now; the text says what it lacks. The payout waits, in its turn."""


class Funds(msgspec.Struct):
    """What is left to spend: solid USDT and TRX, the energy now, and what was set aside of them."""

    usdt_minor: int
    balance_sun: int
    resources: AccountResources
    energy_price_sun: int
    bandwidth_price_sun: int
    energy: int = 0
    bandwidth: int = 0

    def set_aside(self, amount_minor: int, fee_limit_sun: int, bandwidth: int) -> None:
        """Count a payment as made. Its fee limit bounds its energy."""
        self.usdt_minor -= amount_minor
        self.energy += -(-fee_limit_sun // max(1, self.energy_price_sun))
        self.bandwidth += bandwidth

    def check(self) -> None:
        """Raises Shortage unless everything set aside is covered."""
        if self.usdt_minor < 0:
            raise Shortage(f"it lacks {format_amount(-self.usdt_minor, 'USDT')} USDT")
        need_sun = burn_sun(
            self.energy,
            self.bandwidth,
            self.resources,
            energy_price_sun=self.energy_price_sun,
            bandwidth_price_sun=self.bandwidth_price_sun,
        )
        if need_sun > self.balance_sun:
            raise Shortage(f"it lacks {format_amount(need_sun - self.balance_sun, 'TRX')} TRX for fees, or the energy")


class HotWallet:
    """The wallet at one look: the chain's head and solid block, its prices, and the wallet's funds."""

    def __init__(
        self, node: Node, pool: AddressPool, address: Address, token: Address, rules: Rules, funds: Funds
    ) -> None:
        self._node = node
        self._pool = pool
        self._address = address
        self._token = token
        self._rules = rules
        self._funds = funds

    @classmethod
    def look(
        cls,
        node: Node,
        pool: AddressPool,
        address: Address,
        token: Address,
        rules: Rules,
        in_flight: Iterable[tuple[PayoutOrder, Attempt]],
    ) -> Self:
        """Read the funds, less what attempts in flight may take. Coins count once they are solid."""
        answer = node.call(address, token, balance_of_call(address), solid=True)
        usdt_minor = None if answer.reverted else read_uint256(answer.returned)
        if usdt_minor is None:
            raise Unavailable(f"the token {token} does not say what {address} holds: {answer.message}")
        account = node.solid_account(address)
        prices = node.chain_parameters()
        funds = Funds(
            usdt_minor=usdt_minor,
            balance_sun=account.balance_sun if account else 0,
            resources=node.resources(address),
            energy_price_sun=prices["getEnergyFee"],
            bandwidth_price_sun=prices["getTransactionFee"],
        )
        for order, attempt in in_flight:
            funds.set_aside(order.amount_minor, attempt.fee_limit_sun, bandwidth_bytes(bytes.fromhex(attempt.raw_data)))
        return cls(node, pool, address, token, rules, funds)

    def unpayable(self, order: PayoutOrder) -> str | None:
        """Why this payee cannot be paid at all, as a failure code. Raises Unavailable if the token does not say."""
        try:
            payee = Address.from_base58(order.to_address)
        except InvalidAddress:
            return "invalid_address"
        if payee in (ZERO_ADDRESS, self._token, self._address):
            return "address_not_payable"
        # A client's deposit address is a payee like any other: a refusal would tell whose it is (I12).
        if self._pool.ours([payee.evm]).get(payee.evm, "payin") != "payin":
            return "address_not_payable"
        # The token lets a blacklisted payee receive, and never lets the coins go again (TRON.md 4.6).
        answer = self._node.call(self._address, self._token, is_blacklisted_call(payee))
        blacklisted = None if answer.reverted else read_bool(answer.returned)
        if blacklisted is None:
            raise Unavailable(f"the token {self._token} does not say whether {payee} is blacklisted: {answer.message}")
        if blacklisted:
            return "payee_blacklisted"
        if not self._rules.contract_payees:
            account = self._node.account(payee)
            if account is not None and account.is_contract:
                return "payee_is_contract"
        return None

    def attempt(self, order: PayoutOrder, number: int, head: BlockRef, solid: BlockRef) -> Attempt:
        """Build the bytes and set their cost aside. Raises Shortage."""
        intent = intent_of(order, self._address, self._token)
        envelope = envelope_for(
            UUID(order.payout_id).bytes,
            number,
            solid,
            chain_time_ms=head.timestamp_ms,
            lifetime_ms=self._rules.lifetime_ms,
            fee_limit_sun=self._fee_limit_sun(intent),
        )
        raw_data = build(intent, envelope)
        self._funds.set_aside(order.amount_minor, envelope.fee_limit_sun, bandwidth_bytes(raw_data))
        self._funds.check()
        return Attempt(
            number=number,
            txid=txid_of(raw_data),
            raw_data=raw_data.hex(),
            expiration_ms=envelope.expiration_ms,
            ref_block_number=envelope.ref_block_number,
            ref_block_id=envelope.ref_block_id,
            timestamp_ms=envelope.timestamp_ms,
            fee_limit_sun=envelope.fee_limit_sun,
            from_address=self._address.base58,
        )

    def _fee_limit_sun(self, intent: Trc20Transfer) -> int:
        """What this very transfer costs at the head, penalty included: a new holder costs twice (FAILURES 16, 17)."""
        trial = self._node.call(self._address, self._token, transfer_call(intent.to, intent.amount))
        if trial.reverted:
            raise Shortage(f"the token refuses the transfer now: {trial.message or 'reverted'}")
        try:
            return fee_limit_for(
                trial.energy_used,
                self._funds.energy_price_sun,
                margin_percent=self._rules.fee_margin_percent,
                ceiling_sun=self._rules.fee_limit_sun_max,
            )
        except FeeAboveCeiling as error:
            raise Shortage(f"the fee ceiling is too low: {error}") from error


def intent_of(order: PayoutOrder, owner: Address, token: Address) -> Trc20Transfer:
    """What the recorded order means on chain."""
    return Trc20Transfer(owner, token, Address.from_base58(order.to_address), order.amount_minor)


def envelope_of(attempt: Attempt) -> Envelope:
    """The envelope that the attempt was recorded with."""
    return Envelope(
        ref_block_number=attempt.ref_block_number,
        ref_block_id=attempt.ref_block_id,
        timestamp_ms=attempt.timestamp_ms,
        expiration_ms=attempt.expiration_ms,
        fee_limit_sun=attempt.fee_limit_sun,
    )


def check_owner(node: Node, address: Address) -> None:
    """Raises WalletHijacked unless the address alone may sign as its owner."""
    account = node.account(address)
    if account is not None and set(account.owner_keys) - {address}:
        others = ", ".join(Address(key).base58 for key in account.owner_keys if key != address)
        raise WalletHijacked(
            f"{others} may sign for the hot wallet {address}: nothing is signed until a person has looked"
        )
