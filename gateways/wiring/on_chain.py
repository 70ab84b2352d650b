"""What the chain has at our addresses, each at one solid block, and whether the history has come as far."""

from collections.abc import Sequence
from typing import Final

from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.streams.holdings import PAYIN
from core.tron.address import Address
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER
from gateways.wiring.platform import Platform
from projections.audit.deposit_balances import Held
from projections.audit.on_chain import OnChain
from projections.audit.wallet_balances import Balances
from scanners.observer import PATIENCE_BLOCKS, SOLID
from signers.transactions.abi import balance_of_call, read_uint256

LOOKS_MAX: Final = 20
"""So often an address is asked again because a block became solid meanwhile."""
_WALLETS: Final = "SELECT role, address FROM system_wallets ORDER BY 1, 2"
TOUCHED_BLOCKS: Final = 28_800
"""A day: an address that moved since then is held against the chain also when it holds nothing."""
_ADDRESSES: Final = (
    "SELECT address FROM address_holdings WHERE address > %s AND (usdt_minor > 0 OR trx_sun > 0 OR block_number > %s)"
    " ORDER BY address LIMIT %s"
)
_HELD: Final = (
    "SELECT notification_id AS position, address, usdt_minor, trx_sun FROM projection_tracking"
    " LEFT JOIN address_holdings ON address = ANY(%s::text[]) WHERE application_name = 'holdings'"
)
_UNRECORDED: Final = "SELECT count(*) AS reports FROM outstanding_reports WHERE due_at <= %s"
_BALANCES: Final = (
    "SELECT bookmark.notification_id AS position, code, currency,"
    " CASE WHEN type IN ('asset', 'expense') THEN amount_minor ELSE -amount_minor END AS debit_minor"
    f" FROM projection_tracking AS bookmark LEFT JOIN balances ON account_id = '{TREASURY_ACCOUNT_ID}'"
    " WHERE bookmark.application_name = 'balances'"
)


def at_one_block(platform: Platform, role: str, address: Address) -> OnChain:
    """Both answers of the node between two looks at the same solid block; the last look's, where blocks come too fast."""
    node = platform.node
    at = node.solid().number
    for _ in range(LOOKS_MAX):
        held = node.call(address, platform.settings.usdt, balance_of_call(address), solid=True)
        account = node.solid_account(address)
        before, at = at, node.solid().number
        if before == at:
            break
    balance_sun = account.balance_sun if account else 0
    staked_sun = account.owned_sun - balance_sun if account else 0
    return OnChain(role, address.base58, at, read_uint256(held.returned) or 0, balance_sun, staked_sun)


def has_reached(platform: Platform, reader: Connections, block_number: int) -> bool:
    """Whether all that the chain did up to a solid block stands in the history. Raises Unavailable."""
    cursor = platform.cursors.load(SOLID)
    if cursor is None or cursor.number < block_number:
        return False
    [row] = reader.execute(_UNRECORDED, (block_number + PATIENCE_BLOCKS,))
    return bool(row.reports == 0)


class WalletSight:
    """The port `Sight` of the platform's node and views."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._reader = Connections(platform.logins[READER], connections_max=1)

    def wallets(self) -> Sequence[OnChain]:
        found = self._reader.execute(_WALLETS)
        return [at_one_block(self._platform, row.role, Address.from_base58(row.address)) for row in found]

    def has_reached(self, block_number: int) -> bool:
        return has_reached(self._platform, self._reader, block_number)

    def balances(self) -> Balances:
        found = self._reader.execute(_BALANCES)
        position = found[0].position if found else 0
        return Balances(position, {(row.code, row.currency): row.debit_minor for row in found if row.code is not None})


class DepositSight:
    """The port `DepositSight` of the platform's node and views."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._reader = Connections(platform.logins[READER], connections_max=1)

    def addresses(self, after: str, limit: int) -> Sequence[str]:
        cursor = self._platform.cursors.load(SOLID)
        since = cursor.number - TOUCHED_BLOCKS if cursor is not None else 0
        return [row.address for row in self._reader.execute(_ADDRESSES, (after, since, limit))]

    def at(self, addresses: Sequence[str]) -> Sequence[OnChain]:
        return [at_one_block(self._platform, PAYIN, Address.from_base58(address)) for address in addresses]

    def has_reached(self, block_number: int) -> bool:
        return has_reached(self._platform, self._reader, block_number)

    def held(self, addresses: Sequence[str]) -> Held:
        rows = self._reader.execute(_HELD, (list(addresses),))
        amounts = {(row.address, "USDT"): row.usdt_minor for row in rows if row.address is not None}
        amounts |= {(row.address, "TRX"): row.trx_sun for row in rows if row.address is not None}
        return Held(rows[0].position if rows else 0, amounts)
