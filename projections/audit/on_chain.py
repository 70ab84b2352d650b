"""Ledger = chain, address by address: what the events up to a block make each of our addresses hold, and what the chain says.

The chain is asked first, each address at a solid block of its own; the history is read after it has reached those blocks.
So an event of a later block counts for nothing here, and nothing that moves while one looks is a difference.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from core.ledger.books import PAYIN_WALLETS, STAKED, WALLET_ACCOUNTS
from core.ledger.events import Event, postings_of
from core.ledger.journal import TREASURY
from core.ledger.money import format_amount
from core.streams.holdings import PAYIN, movements
from core.streams.wallet_numbers import WalletDifference

TRX: Final = "TRX"
ROLES: Final = {code: role for role, code in WALLET_ACCOUNTS.items() if role != PAYIN}
"""Which wallet's account it is, by its code."""


class OnChain(msgspec.Struct, frozen=True):
    """What the chain has at one address, as of a solid block. `staked_sun` is frozen, lent out, or on its way back."""

    role: str
    address: str
    block_number: int
    usdt_minor: int
    trx_sun: int
    staked_sun: int = 0

    def amounts(self) -> dict[str, int]:
        """Minor units by currency, without stake."""
        return {"USDT": self.usdt_minor, TRX: self.trx_sun}


class Difference(msgspec.Struct, frozen=True):
    """One account, or one address of it, that the ledger and the chain do not agree about; amounts in minor units."""

    account: str
    address: str | None
    currency: str
    booked: int
    found: int
    block_number: int


Explain = Callable[[Difference], str]
"""What may be behind a difference, as the end of its sentence; empty where nothing is known."""


def block_of(happened: Event) -> int | None:
    """The block that an event names; None where it names none, as an adjustment or a payout that failed."""
    for part in (happened, *(getattr(happened, name, None) for name in ("transfer", "notice", "left"))):
        number = getattr(part, "block_number", None)
        if isinstance(number, int):
            return number
    return None


class Booked:
    """The history folded into what it makes each address hold, at the blocks at which the chain was asked."""

    def __init__(self, found: Sequence[OnChain]) -> None:
        self._found = found
        self._of_address = {each.address: each.block_number for each in found if each.role == PAYIN}
        self._of_role: dict[str, int] = defaultdict(int)
        for each in found:
            self._of_role[each.role] = max(self._of_role[each.role], each.block_number)
        self._staked_until = max((each.block_number for each in found if each.role != PAYIN), default=0)
        self._addresses: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._accounts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._payin: defaultdict[str, int] = defaultdict(int)
        """Payin_Wallets_Asset as its lines and as its addresses make it, which must be the same: their difference."""

    def apply(self, happened: Event) -> None:
        block_number = block_of(happened)
        for line in postings_of(happened):
            if line.book != TREASURY:
                continue
            amount = line.amount_minor if line.side == "debit" else -line.amount_minor
            if line.account == PAYIN_WALLETS:
                self._payin[line.currency] += amount
            elif self._counts(line.account, block_number):
                self._accounts[line.account, line.currency] += amount
        for moved in movements(happened):
            self._payin[moved.currency] -= moved.delta_minor
            if moved.block_number <= self._of_address.get(moved.address, moved.block_number):
                self._addresses[moved.address, moved.currency] += moved.delta_minor

    def _counts(self, code: str, block_number: int | None) -> bool:
        if code == STAKED:
            return block_number is None or block_number <= self._staked_until
        return code in ROLES and (block_number is None or block_number <= self._of_role[ROLES[code]])

    def differences(self) -> Iterator[Difference]:
        """Deposit addresses one by one, the other wallets as their accounts, stake, and deposits' sub-ledger."""
        for code, role in ROLES.items():
            yield from self._of_wallet(code, [each for each in self._found if each.role == role])
        known = {each.address: each for each in self._found if each.role == PAYIN}
        for address in sorted({*known, *(address for address, _ in self._addresses)}):
            at = known.get(address)
            found = at.amounts() if at else {}
            for currency in ("USDT", TRX):
                booked, there = self._addresses[address, currency], found.get(currency, 0)
                if booked != there:
                    yield Difference(PAYIN_WALLETS, address, currency, booked, there, at.block_number if at else 0)
        staked = sum(each.staked_sun for each in self._found)
        if self._accounts[STAKED, TRX] != staked:
            yield Difference(STAKED, None, TRX, self._accounts[STAKED, TRX], staked, self._staked_until)
        for currency, off in sorted(self._payin.items()):
            if off:
                yield Difference(PAYIN_WALLETS, None, currency, off, 0, 0)

    def _of_wallet(self, code: str, found: Sequence[OnChain]) -> Iterator[Difference]:
        address = found[0].address if len(found) == 1 else None
        for currency in ("USDT", TRX):
            booked, there = self._accounts[code, currency], sum(each.amounts()[currency] for each in found)
            if booked != there:
                yield Difference(code, address, currency, booked, there, self._of_role[ROLES[code]])


def row_of(each: Difference, explain: Explain) -> WalletDifference:
    """As a board shows it."""
    said = sentence(each, explain)
    return WalletDifference(
        each.account, each.currency, each.address or "", each.booked, each.found, each.block_number, said
    )


def sentence(each: Difference, explain: Explain | None) -> str:
    """What differs, where, and what may be behind it."""
    if each.account == PAYIN_WALLETS and each.address is None:
        off = format_amount(each.booked, each.currency)
        return f"{each.account}: the ledger has {off} {each.currency} that stand on no deposit address"
    where = each.account if each.address is None else f"{each.account} {each.address}"
    booked, found = format_amount(each.booked, each.currency), format_amount(each.found, each.currency)
    said = f"{where}: the ledger has {booked} {each.currency}, the chain {found} at block {each.block_number}"
    why = explain(each) if explain is not None else ""
    return f"{said}: {why}" if why else said
