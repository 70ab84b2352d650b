"""What the chain has at our addresses, each at one solid block, and whether the history has come as far."""

from collections.abc import Sequence
from typing import Final

from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.tron.address import Address
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER
from gateways.wiring.platform import Platform
from projections.audit.on_chain import OnChain
from projections.audit.wallet_balances import Balances
from scanners.observer import PATIENCE_BLOCKS, SOLID
from signers.transactions.abi import balance_of_call, read_uint256

LOOKS_MAX: Final = 20
"""So often an address is asked again because a block became solid meanwhile."""
_WALLETS: Final = "SELECT role, address FROM system_wallets ORDER BY 1, 2"
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
